//! How the parts of a plot look, on light and on dark pages.

/// Every colour is named once for each; the shapes refer to the classes only.
pub(super) const SHEET: &str = "\
svg{color-scheme:light dark;font:12px system-ui,sans-serif}\
.paper{fill:#fff}.text{fill:#1f2328}.faint{fill:#59636e}.title{font-size:15px;font-weight:600}\
.grid{stroke:#d1d9e0;stroke-width:1;fill:none}\
.slowest{stroke:#e08a00;stroke-width:1.2;fill:none}\
.median{stroke:#0969da;stroke-width:1.6;fill:none}\
.mark{stroke:#8250df;stroke-width:1;stroke-opacity:.35;fill:none}\
.span{fill:#8250df;fill-opacity:.13}\
.limit{stroke:#59636e;stroke-width:1;stroke-dasharray:5 4;fill:none}\
.failure{stroke:#d1242f;stroke-width:2;fill:none}\
.everport{fill:#0969da}.same{fill:#e08a00}.other{fill:#8250df}.bound{fill:#8c959f;fill-opacity:.45}\
.whisker{stroke:#1f2328;stroke-width:1.2;fill:none}\
@media(prefers-color-scheme:dark){\
.paper{fill:#0d1117}.text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#30363d}\
.slowest{stroke:#f0b429}.median{stroke:#58a6ff}.mark{stroke:#b392f0;stroke-opacity:.5}.span{fill:#b392f0}\
.limit{stroke:#9198a1}.failure{stroke:#ff6a69}\
.everport{fill:#58a6ff}.same{fill:#f0b429}.other{fill:#b392f0}.bound{fill:#656c76}.whisker{stroke:#e6edf3}}";

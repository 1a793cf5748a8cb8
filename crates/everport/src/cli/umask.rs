//! Masks of permissions on the command line, in octal.

/// Why a text is not a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mask of permissions (write it in octal, such as 027)")]
pub(super) struct UmaskError;

/// A mask from 0 to 777 in octal, however many zeros it begins with. `0o27` is how TOML writes such a number.
pub(super) fn parse(text: &str) -> Result<u32, UmaskError> {
    let text = text.strip_prefix("0o").unwrap_or(text);
    // The standard library's parser takes a sign, too.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UmaskError);
    }
    let mask = u32::from_str_radix(text, 8).map_err(|_| UmaskError)?;
    if mask > 0o777 {
        return Err(UmaskError);
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_octal() {
        let check = |text, mask| assert_eq!(parse(text), Ok(mask), "{text}");
        check("027", 0o027);
        check("22", 0o022);
        check("0o22", 0o022);
        check("0", 0);
        check("0777", 0o777);
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in ["", "8", "1000", "-1", "+22", "rwx", "0o8", "0o"] {
            assert_eq!(parse(text), Err(UmaskError), "{text}");
        }
    }
}

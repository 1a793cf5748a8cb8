# frozen_string_literal: true

# What Puma's workers answer, as a Rack application.
HELLO = 'Hello, World!'

run lambda { |_environment|
  head = { 'content-type' => 'text/plain', 'content-length' => HELLO.bytesize.to_s, 'x-worker' => Process.pid.to_s }
  [200, head, [HELLO]]
}

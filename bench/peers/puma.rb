# Puma with worker processes that can be replaced one after the other: the application is not loaded before them.
bind "tcp://127.0.0.1:#{ENV.fetch('BENCH_PORT')}"
workers Integer(ENV.fetch('BENCH_WORKERS'))
preload_app! false
environment 'production'
rackup File.join(__dir__, 'hello.ru')

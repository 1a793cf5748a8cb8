// PM2 in cluster mode: new workers say when they are ready, old ones leave by themselves on SIGINT.
'use strict';

const path = require('node:path');

module.exports = {
  apps: [
    {
      name: 'hello',
      script: path.join(__dirname, 'server.js'),
      instances: Number(process.env.BENCH_WORKERS),
      exec_mode: 'cluster',
      wait_ready: true,
      listen_timeout: 10000,
      kill_timeout: 5000,
      env: { NODE_ENV: 'production', BENCH_PORT: process.env.BENCH_PORT },
    },
  ],
};

// What Node answers, as a worker of its cluster module or of PM2.
'use strict';

const http = require('node:http');

const HELLO = 'Hello, World!';
const HEAD = {
  'content-type': 'text/plain',
  'content-length': HELLO.length,
  'x-worker': process.pid,
};

const server = http.createServer((request, response) => {
  response.writeHead(200, HEAD);
  response.end(HELLO);
});

server.listen(Number(process.env.BENCH_PORT), '127.0.0.1', () => {
  // PM2 waits for this one; the cluster module tells its primary by itself.
  process.send?.('ready');
});

// How PM2 says that a worker is to leave.
process.on('SIGINT', () => {
  server.close(() => process.exit(0));
});
// How our primary says it, just before it disconnects.
process.on('message', (message) => {
  if (message === 'leave') server.close();
});

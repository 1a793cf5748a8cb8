// The same measurement as `bench-messages`, by Node's cluster module: an application with two workers, of which the first
// sends. Prints the same four numbers.
'use strict';

const cluster = require('node:cluster');

const options = Object.fromEntries(process.argv.slice(2).map((text) => text.slice(2).split('=')));
const size = Number(options.size);
const nanoseconds = BigInt(Math.round(Number(options.seconds) * 1e9));
const now = () => process.hrtime.bigint();

/** About as many bytes of JSON: it grows with the digits of its number. */
function valueOfSize(bytes) {
  const frame = '{"number":123456,"last":false,"text":""}'.length;
  return { number: 0, last: false, text: 'x'.repeat(Math.max(0, bytes - frame)) };
}

/** Counts a stream of messages as they come. */
class Counter {
  messages = 0;
  begun = null;

  /** What was received, with the last one. */
  count(value) {
    this.begun ??= now();
    this.messages += 1;
    return value.last ? { messages: this.messages, nanos: Number(now() - this.begun) } : null;
  }
}

function bePrimary() {
  cluster.setupPrimary({ args: process.argv.slice(2) });
  const [first, second] = [cluster.fork(), cluster.fork()];
  const counter = new Counter();
  const report = {};
  let ready = 0;
  const note = (part, what) => {
    report[part] = what;
    if (report.sent && report.received) {
      const { sent, received } = report;
      const rate = (received.messages - 1) / (received.nanos / 1e9);
      const lost = Math.abs(sent.messages - received.messages);
      console.log(`${sent.median} ${sent.p99} ${Math.round(rate)} ${lost}`);
      first.disconnect();
      second.disconnect();
    }
  };
  const handle = (from, message) => {
    switch (message.event) {
      case 'ready':
        ready += 1;
        if (ready === 2) first.send({ event: 'begin' });
        return;
      case 'echo':
        if (options.with === 'watcher') from.send({ event: 'reply', value: message.value });
        else second.send(message);
        return;
      case 'reply':
        first.send(message);
        return;
      case 'stream':
        if (options.with === 'watcher') {
          const received = counter.count(message.value);
          if (received) note('received', received);
        } else {
          second.send(message);
        }
        return;
      default:
        note(message.event, message.value);
    }
  };
  for (const worker of [first, second]) worker.on('message', (message) => handle(worker, message));
}

/** Sends a message, and waits as long as too much waits to be written. */
function send(message) {
  return new Promise((resolve) => {
    if (process.send(message, undefined, undefined, () => resolve())) resolve();
  });
}

function beSender() {
  let replied = null;
  process.on('message', (message) => {
    if (message.event === 'begin') measure();
    else replied(message.value);
  });
  const call = (value) => new Promise((resolve) => {
    replied = resolve;
    process.send({ event: 'echo', value });
  });
  const roundTrips = async (value, time) => {
    const end = now() + time;
    const taken = [];
    while (taken.length === 0 || now() < end) {
      value.number += 1;
      const begin = now();
      const answer = await call(value);
      taken.push(Number(now() - begin));
      if (answer.number !== value.number) throw new Error("somebody else's answer");
    }
    return taken;
  };
  const measure = async () => {
    const value = valueOfSize(size);
    await roundTrips(value, nanoseconds / 5n);
    const taken = (await roundTrips(value, nanoseconds)).sort((one, other) => one - other);
    const quantile = (share) => taken[Math.max(0, Math.ceil(taken.length * share) - 1)];
    const end = now() + nanoseconds;
    let messages = 0;
    while (!value.last) {
      value.number += 1;
      value.last = now() >= end;
      await send({ event: 'stream', value });
      messages += 1;
    }
    process.send({ event: 'sent', value: { median: quantile(0.5), p99: quantile(0.99), messages } });
  };
  process.send({ event: 'ready' });
}

function beReceiver() {
  const counter = new Counter();
  process.on('message', (message) => {
    if (message.event === 'echo') {
      process.send({ event: 'reply', value: message.value });
    } else {
      const received = counter.count(message.value);
      if (received) process.send({ event: 'received', value: received });
    }
  });
  process.send({ event: 'ready' });
}

if (cluster.isPrimary) bePrimary();
else if (cluster.worker.id === 1) beSender();
else beReceiver();

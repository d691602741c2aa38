// What libraries do whose work is done by scripts: BullMQ, Redlock, rate-limiter-flexible, and commands that ioredis defines.
// Exits with 0 only if everything held.
//
// usage: scripts.js PORT [JOBS]      LEADER_CHANGE=yes: says `transfer` while jobs are done
//
// resp-tests/tests/clients/scripts.rs runs it.
"use strict";

const assert = require("node:assert/strict");
const Redis = require("ioredis");
const { FlowProducer, Queue, QueueEvents, Worker } = require("bullmq");
const Redlock = require("redlock").default;
const { RateLimiterRedis } = require("rate-limiter-flexible");

const port = Number(process.argv[2]);
const JOBS = Number(process.argv[3] || 1000);
const WAIT_MS = 120_000 + JOBS * 50;
const connection = { host: "127.0.0.1", port, maxRetriesPerRequest: null };
const closing = [];

function opened(thing) {
  thing.on("error", () => {});
  closing.push(thing);
  return thing;
}

async function eventually(what, condition) {
  const deadline = Date.now() + WAIT_MS;
  while (!(await condition())) {
    assert(Date.now() < deadline, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function ownCommands(redis) {
  redis.defineCommand("takeIfEqual", {
    numberOfKeys: 1,
    lua: "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0",
  });
  redis.defineCommand("peek", { numberOfKeys: 1, lua: "return redis.call('get', KEYS[1])", readOnly: true });
  await redis.set("own", "mine");
  assert.equal(await redis.peek("own"), "mine");
  assert.equal(await redis.takeIfEqual("own", "other"), 0);
  assert.equal(await redis.takeIfEqual("own", "mine"), 1);
  const replies = await redis.pipeline().set("own", "a").takeIfEqual("own", "a").get("own").exec();
  assert.deepEqual(replies.map(([error, reply]) => error || reply), ["OK", 1, null]);
  await redis.script("FLUSH");
  await redis.set("own", "again");
  assert.equal(await redis.takeIfEqual("own", "again"), 1, "NOSCRIPT, then EVAL");
}

async function locks(redis) {
  const redlock = new Redlock([redis], { retryCount: 200, retryDelay: 10 });
  let inside = 0;
  let entered = 0;
  const one = async () => {
    const lock = await redlock.acquire(["lock"], 5000);
    inside += 1;
    assert.equal(inside, 1, "one at a time");
    entered += 1;
    await new Promise((resolve) => setTimeout(resolve, 2));
    inside -= 1;
    await lock.release();
  };
  await Promise.all(Array.from({ length: 20 }, one));
  assert.equal(entered, 20);
  const held = await redlock.acquire(["held"], 5000);
  const longer = await held.extend(8000);
  assert((await redis.pttl("held")) > 5500);
  await longer.release();
  assert.equal(await redis.exists("held"), 0);
}

async function limits(redis) {
  const limiter = new RateLimiterRedis({ storeClient: redis, points: 5, duration: 60, blockDuration: 0 });
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => limiter.consume("client")));
  assert.equal(outcomes.filter((outcome) => outcome.status === "fulfilled").length, 5);
  assert.equal((await limiter.get("client")).remainingPoints, 0);
}

async function queues(redis) {
  const queue = opened(new Queue("work", { connection }));
  const seen = new Map();
  const worker = opened(
    new Worker(
      "work",
      async (job) => {
        seen.set(job.id, (seen.get(job.id) || 0) + 1);
        if (job.name === "fails once" && job.attemptsMade < 1) throw new Error("once more");
        return job.data.n * 2;
      },
      { connection, concurrency: 50 },
    ),
  );
  const events = opened(new QueueEvents("work", { connection }));
  await events.waitUntilReady();
  for (let from = 0; from < JOBS; from += 500) {
    const jobs = Array.from({ length: Math.min(500, JOBS - from) }, (_, i) => ({ name: "job", data: { n: from + i } }));
    await queue.addBulk(jobs);
  }
  const late = await queue.add("late", { n: 7 }, { delay: 300 });
  const failing = await queue.add("fails once", { n: 9 }, { attempts: 3, backoff: { type: "fixed", delay: 50 } });
  const urgent = await queue.add("urgent", { n: 1 }, { priority: 1 });
  if (process.env.LEADER_CHANGE === "yes") {
    await eventually("some are done", async () => (await queue.getCompletedCount()) >= JOBS / 10);
    console.log("transfer");
  }
  await eventually("all jobs are done", async () => (await queue.getCompletedCount()) === JOBS + 3);
  assert.equal(await late.waitUntilFinished(events), 14);
  assert.equal(await failing.waitUntilFinished(events), 18);
  assert.equal(await urgent.waitUntilFinished(events), 2);
  assert.equal(seen.get(failing.id), 2);
  const twice = [...seen.entries()].filter(([id, count]) => count > 1 && id !== failing.id);
  assert.deepEqual(twice, [], "each job once");
  const counts = await queue.getJobCounts();
  assert.equal(counts.failed + counts.active + counts.waiting + counts.delayed + counts.prioritized, 0);
  await worker.close();
  await queue.obliterate({ force: true });
}

async function flows() {
  const flow = opened(new FlowProducer({ connection }));
  const parts = opened(new Worker("parts", async (job) => job.data.n, { connection }));
  const sums = opened(
    new Worker(
      "sums",
      async (job) => Object.values(await job.getChildrenValues()).reduce((sum, value) => sum + value, 0),
      { connection },
    ),
  );
  const events = opened(new QueueEvents("sums", { connection }));
  await events.waitUntilReady();
  const children = Array.from({ length: 20 }, (_, n) => ({ name: "part", queueName: "parts", data: { n } }));
  const tree = await flow.add({ name: "sum", queueName: "sums", data: {}, children });
  assert.equal(await tree.job.waitUntilFinished(events, WAIT_MS), 190);
  await parts.close();
  await sums.close();
}

async function repeatedAndLimited() {
  const queue = opened(new Queue("paced", { connection }));
  let repeated = 0;
  const times = [];
  const worker = opened(
    new Worker(
      "paced",
      async (job) => {
        if (job.name === "tick") repeated += 1;
        else times.push(Date.now());
      },
      { connection, limiter: { max: 10, duration: 300 } },
    ),
  );
  await queue.upsertJobScheduler("ticks", { every: 100 }, { name: "tick" });
  await eventually("it repeats", () => repeated >= 3);
  await queue.removeJobScheduler("ticks");
  await queue.addBulk(Array.from({ length: 25 }, () => ({ name: "limited", data: {} })));
  await eventually("all limited jobs are done", () => times.length === 25);
  assert(times[24] - times[0] >= 300, `25 jobs, 10 in 300 ms, took ${times[24] - times[0]} ms`);
  await worker.close();
}

async function main() {
  const redis = opened(new Redis(connection));
  await redis.flushall();
  await ownCommands(redis);
  await locks(redis);
  await limits(redis);
  const began = Date.now();
  await queues(redis);
  console.log(`${JOBS} jobs of BullMQ took ${Date.now() - began} ms`);
  await flows();
  await repeatedAndLimited();
  await Promise.all(closing.map((thing) => (thing.quit ? thing.quit() : thing.close())));
  console.log("held");
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

// What a program with ioredis does with a server. Exits with 0 only if everything held.
//
// usage: basic.js PORT [PASSWORD]
//
// The conversation with the test that runs it is described in resp-tests/tests/clients/main.rs.
"use strict";

const assert = require("node:assert/strict");
const Redis = require("ioredis");

const [port, password] = process.argv.slice(2);
const DB = 3;
const WAIT_MS = 40_000;
const PIPELINED = 500;
const USERS = 3000;
const OTHERS = 1000;
const BEFORE_RESTART = 20;
const BINARY = Buffer.concat([Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), Buffer.from("\r\n$-1\r\n\0")]);
const UNICODE = "Grüße, 世界 🚢";

// Everything that was connected, to be closed at the end.
const clients = [];

function connect(changes = {}) {
  const client = new Redis({ host: "127.0.0.1", port: Number(port), db: DB, password, ...changes });
  // Without a listener the library writes what it reconnects for to the console.
  client.on("error", () => {});
  clients.push(client);
  return client;
}

function same(what, got, expected) {
  assert.deepStrictEqual(got, expected, `${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

// Waits for a condition, not for a time.
async function until(what, holds) {
  const deadline = Date.now() + WAIT_MS;
  while (!(await holds())) {
    assert.ok(Date.now() < deadline, `${what}: not within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// The server's error surfaces as the library's exception.
async function refused(what, words, promise) {
  const outcome = await promise.then((value) => ({ value }), (error) => ({ error }));
  assert.ok(outcome.error, `${what}: got ${JSON.stringify(outcome.value)}, expected an error with '${words}'`);
  same(`${what}: kind of error`, outcome.error.name, "ReplyError");
  assert.ok(outcome.error.message.includes(words), `${what}: '${outcome.error.message}' does not say '${words}'`);
}

async function infoField(client, field) {
  return new RegExp(`^${field}:(.*)\r$`, "m").exec(await client.info("server"))[1];
}

async function authentication() {
  if (password === undefined) return;
  // The library's ready check (INFO) fails without a password, so it is left out to see the server's own answer.
  const options = { enableReadyCheck: false, retryStrategy: null, db: 0 };
  await refused("no password", "NOAUTH Authentication required.", connect({ ...options, password: undefined }).get("k"));
  const mistaken = connect({ ...options, password: "x", lazyConnect: true });
  const failure = new Promise((resolve) => mistaken.once("error", resolve));
  mistaken.connect().catch(() => {});
  assert.match((await failure).message, /WRONGPASS invalid username-password pair/);
  same("user and password", await connect({ username: "default" }).ping(), "PONG");
}

async function connection(client) {
  same("PING", await client.ping(), "PONG");
  same("ECHO", await client.echo("hello"), "hello");
  const me = await client.client("INFO");
  assert.match(me, new RegExp(` db=${DB} `), `CLIENT INFO: ${me}`);
  same("CLIENT SETNAME", await client.client("SETNAME", "basic"), "OK");
  same("CLIENT GETNAME", await client.client("GETNAME"), "basic");
  same("INFO", await infoField(client, "tcp_port"), port);
  same("CONFIG GET", await client.config("GET", "port"), ["port", port]);
  same("named connection", await connect({ connectionName: "named" }).client("GETNAME"), "named");
  const other = connect({ db: DB + 1 });
  same("SET in another database", await other.set("db", "other"), "OK");
  same("another database", await client.get("db"), null);
  const mover = connect();
  same("SELECT", await mover.select(DB + 1), "OK");
  same("GET after SELECT", await mover.get("db"), "other");
}

async function values(client) {
  await client.flushdb();
  same("SET", await client.set("text", "value"), "OK");
  same("GET", await client.get("text"), "value");
  same("GET of nothing", await client.get("nothing"), null);
  same("SET binary", await client.set(BINARY, BINARY), "OK");
  assert.ok((await client.getBuffer(BINARY)).equals(BINARY), "GET binary: another value");
  same("SET unicode", await client.set(UNICODE, UNICODE), "OK");
  same("GET unicode", await client.get(UNICODE), UNICODE);
  same("SET empty", await client.set("empty", ""), "OK");
  same("GET empty", await client.get("empty"), "");
  const large = "x".repeat(1 << 20);
  await client.set("large", large);
  assert.ok((await client.get("large")) === large, "GET large: another value");
  same("SET NX", await client.set("text", "new", "NX"), null);
  same("SET XX GET", await client.set("text", "new", "XX", "GET"), "value");
  same("INCRBY", await client.incrby("count", 41), 41);
  same("INCR", await client.incr("count"), 42);
  same("INCR beyond a double", await client.incrby("wide", "9007199254740993"), 9007199254740992);
  same("INCRBYFLOAT", await client.incrbyfloat("float", 1.5), "1.5");
  same("MSET", await client.mset({ a: 1, b: 2 }), "OK");
  same("MGET", await client.mget("a", "nothing", "b"), ["1", null, "2"]);
  same("EXISTS", await client.exists("a", "a", "nothing"), 2);
  same("TYPE", await client.type("a"), "string");
  same("DEL", await client.del("a", "nothing"), 1);
}

async function pipelines(client) {
  const pipeline = client.pipeline();
  const expected = [];
  for (let index = 0; index < PIPELINED; index++) {
    pipeline.set(`pipe:${index}`, index).get(`pipe:${index}`);
    expected.push([null, "OK"], [null, String(index)]);
  }
  same("pipeline", await pipeline.exec(), expected);
  const got = await client.pipeline().set("text", "word").incr("text").get("text").exec();
  same("an error in a pipeline", [got[0], got[1][0].name, got[2]], [[null, "OK"], "ReplyError", [null, "word"]]);
  // The library's own pipelining: all of one turn of the event loop are written at once.
  const automatic = connect({ enableAutoPipelining: true });
  const gets = await Promise.all(Array.from({ length: PIPELINED }, (_, index) => automatic.get(`pipe:${index}`)));
  same("automatic pipeline", gets, Array.from({ length: PIPELINED }, (_, index) => String(index)));
}

async function transactions(client) {
  const other = connect();
  await client.set("balance", 10);
  same("WATCH", await client.watch("balance"), "OK");
  same("EXEC", await client.multi().decrby("balance", 1).incr("moves").exec(), [[null, 9], [null, 1]]);
  await client.watch("balance");
  await other.set("balance", 5);
  same("EXEC after a change", await client.multi().set("balance", 0).exec(), null);
  same("after the conflict", await client.get("balance"), "5");
  await refused("EXEC of a bad command", "EXECABORT", client.multi().set("balance", 1).call("INCR").exec());
  same("after the refusal", await client.get("balance"), "5");
  // Command by command, as on the wire.
  await client.multi({ pipeline: false });
  same("queued", await client.incr("balance"), "QUEUED");
  same("EXEC, step by step", await client.exec(), [[null, 6]]);
}

async function expiry(client) {
  same("SET PX", await client.set("brief", "v", "PX", 400), "OK");
  same("SET EX", await client.set("long", "v", "EX", 100), "OK");
  const ttl = await client.ttl("long");
  assert.ok(ttl > 90 && ttl <= 100, `TTL ${ttl}`);
  await until("the key expires", async () => (await client.get("brief")) === null);
  same("TTL of a key gone", await client.ttl("brief"), -2);
  same("EXISTS of a key gone", await client.exists("brief"), 0);
  same("PERSIST", await client.persist("long"), 1);
  same("TTL of a lasting key", await client.ttl("long"), -1);
  same("PEXPIRE in the past", await client.pexpire("long", -1), 1);
  same("after PEXPIRE in the past", await client.get("long"), null);
}

async function scans(client) {
  await client.flushdb();
  const users = Array.from({ length: USERS }, (_, index) => `user:${index}`);
  const others = Array.from({ length: OTHERS }, (_, index) => `other:${index}`);
  const pipeline = client.pipeline();
  for (const key of [...users, ...others]) pipeline.set(key, "v");
  await pipeline.exec();
  same("DBSIZE", await client.dbsize(), USERS + OTHERS);
  const keys = async (options) => {
    const found = [];
    for await (const page of client.scanStream(options)) found.push(...page);
    return found.sort();
  };
  same("SCAN MATCH", await keys({ match: "user:*", count: 100 }), users.sort());
  same("SCAN", await keys({}), [...users, ...others].sort());
  same("SCAN of nothing", await keys({ match: "none:*" }), []);
}

async function errors(client) {
  await refused("arity", "ERR wrong number of arguments for 'get'", client.call("GET"));
  await refused("unknown command", "ERR unknown command 'NOSUCH'", client.call("NOSUCH"));
  await client.set("word", "word");
  await refused("INCR of a word", "ERR value is not an integer or out of range", client.incr("word"));
  await refused("syntax", "ERR syntax error", client.set("k", "v", "WHAT"));
  same("the connection after errors", await client.get("word"), "word");
}

// Writes on while the test restarts the server: what was acknowledged is there afterwards. The library reconnects,
// selects the database again and repeats by itself what had no answer.
async function restart(client, how) {
  const before = await infoField(client, "process_id");
  const acknowledged = [];
  await until(`a new process after ${how}`, async () => {
    const number = acknowledged.length;
    await client.set(`${how}:${number}`, `${how} ${number}`);
    acknowledged.push(number);
    if (acknowledged.length === BEFORE_RESTART) console.log(`restart ${how}`);
    return (await infoField(client, "process_id")) !== before;
  });
  same(`keys before ${how}`, await client.get("user:0"), "v");
  const got = await client.mget(acknowledged.map((number) => `${how}:${number}`));
  same(`values acknowledged around ${how}`, got, acknowledged.map((number) => `${how} ${number}`));
  assert.match(await client.client("INFO"), new RegExp(` db=${DB} `), `database after ${how}`);
}

async function main() {
  await authentication();
  const client = connect();
  for (const check of [connection, values, pipelines, transactions, expiry, errors, scans]) await check(client);
  for (const how of ["kill", "terminate"]) await restart(client, how);
  console.log("held");
  clients.forEach((one) => one.disconnect());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

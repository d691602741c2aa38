# What a program with redis-rb does with a server. Exits with 0 only if everything held.
#
# usage: basic.rb PORT [PASSWORD]
#
# The conversation with the test that runs it is described in resp-tests/tests/clients/main.rs.
# frozen_string_literal: true

require "redis"
require_relative "checks"

PORT, PASSWORD = ARGV
DB = 3
WAIT_SECONDS = 40
PIPELINED = 500
USERS = 3000
OTHERS = 1000
BEFORE_RESTART = 20
BINARY = ((0..255).to_a.pack("C*") + "\r\n$-1\r\n\0".b).freeze
UNICODE = "Grüße, 世界 🚢"

def connect(**changes)
  Redis.new(host: "127.0.0.1", port: PORT.to_i, db: DB, password: PASSWORD, **changes)
end

# The server's error surfaces as the library's exception.
def refused(what, words)
  got = yield
rescue Redis::CommandError => e
  raise "#{what}: '#{e.message}' does not say '#{words}'" unless e.message.include?(words)
else
  raise "#{what}: got #{got.inspect}, expected an error with '#{words}'"
end

def authentication
  return unless PASSWORD

  refused("no password", "NOAUTH Authentication required.") { connect(password: nil, db: 0).get("k") }
  # The library reports a connection that cannot be set up by the words of the server, too.
  refused("wrong password", "WRONGPASS invalid username-password pair") { connect(password: "x").ping }
  same("user and password", connect(username: "default").ping, "PONG")
end

def connection(client)
  same("PING", client.ping, "PONG")
  same("ECHO", client.echo("hello"), "hello")
  raise "CLIENT INFO: #{client.call('CLIENT', 'INFO')}" unless client.call("CLIENT", "INFO").include?(" db=#{DB} ")

  same("CLIENT SETNAME", client.client(:setname, "basic"), "OK")
  same("CLIENT LIST", client.client(:list).count { |one| one["name"] == "basic" }, 1)
  same("id", connect(id: "named").client(:getname), "named")
  same("INFO", client.info("server")["tcp_port"], PORT)
  same("CONFIG GET", client.config(:get, "port"), { "port" => PORT })
  same("TIME", client.time.length, 2)
  connect(db: DB + 1).set("db", "other")
  same("another database", client.get("db"), nil)
  mover = connect
  same("SELECT", mover.select(DB + 1), "OK")
  same("GET after SELECT", mover.get("db"), "other")
end

def values(client)
  client.flushdb
  same("SET", client.set("text", "value"), "OK")
  same("GET", client.get("text"), "value")
  same("GET of nothing", client.get("nothing"), nil)
  same("SET binary", client.set(BINARY, BINARY), "OK")
  same("GET binary", client.get(BINARY).b, BINARY)
  same("SET unicode", client.set(UNICODE, UNICODE), "OK")
  same("GET unicode", client.get(UNICODE), UNICODE)
  same("SET empty", client.set("empty", ""), "OK")
  same("GET empty", client.get("empty"), "")
  large = "x" * (1 << 20)
  client.set("large", large)
  raise "GET large: another value" unless client.get("large") == large

  same("SET NX", client.set("text", "new", nx: true), false)
  same("SET XX GET", client.set("text", "new", xx: true, get: true), "value")
  same("INCRBY", client.incrby("count", 41), 41)
  same("INCR", client.incr("count"), 42)
  same("INCRBYFLOAT", client.incrbyfloat("float", 1.5), 1.5)
  same("MSET", client.mset("a", 1, "b", 2), "OK")
  same("MGET", client.mget("a", "nothing", "b"), ["1", nil, "2"])
  same("EXISTS", client.exists("a", "a", "nothing"), 2)
  same("TYPE", client.type("a"), "string")
  same("GETDEL", client.getdel("a"), "1")
  same("DEL", client.del("b", "nothing"), 1)
end

def pipelines(client)
  got = client.pipelined { |pipe| PIPELINED.times { |index| pipe.set("pipe:#{index}", index); pipe.get("pipe:#{index}") } }
  same("pipeline", got, (0...PIPELINED).flat_map { |index| ["OK", index.to_s] })
  refused("an error in a pipeline", "ERR value is not an integer or out of range") do
    client.pipelined { |pipe| pipe.set("text", "word"); pipe.incr("text"); pipe.set("after", "error") }
  end
  same("after an error in a pipeline", client.mget("text", "after"), %w[word error])
end

def transactions(client)
  other = connect
  client.set("balance", 10)
  got = client.watch("balance") do
    balance = client.get("balance").to_i
    client.multi { |transaction| transaction.set("balance", balance - 1); transaction.incr("moves") }
  end
  same("EXEC", got, ["OK", 1])
  got = client.watch("balance") do
    other.set("balance", 5)
    client.multi { |transaction| transaction.set("balance", 0) }
  end
  same("EXEC after a change", got, nil)
  same("after the conflict", client.get("balance"), "5")
  refused("EXEC of a bad command", "wrong number of arguments") do
    client.multi { |transaction| transaction.set("balance", 1); transaction.call("INCR") }
  end
  same("after the refusal", client.get("balance"), "5")
end

def expiry(client)
  same("SET PX", client.set("brief", "v", px: 400), "OK")
  same("SETEX", client.setex("long", 100, "v"), "OK")
  raise "TTL #{client.ttl('long')}" unless (91..100).cover?(client.ttl("long"))

  wait_until("the key expires") { client.get("brief").nil? }
  same("TTL of a key gone", client.ttl("brief"), -2)
  same("EXISTS of a key gone", client.exists?("brief"), false)
  same("PERSIST", client.persist("long"), true)
  same("TTL of a lasting key", client.ttl("long"), -1)
  same("PEXPIRE in the past", client.pexpire("long", -1), true)
  same("after PEXPIRE in the past", client.get("long"), nil)
end

def scans(client)
  client.flushdb
  users = Array.new(USERS) { |index| "user:#{index}" }
  others = Array.new(OTHERS) { |index| "other:#{index}" }
  client.pipelined { |pipe| (users + others).each { |key| pipe.set(key, "v") } }
  same("DBSIZE", client.dbsize, USERS + OTHERS)
  same("SCAN MATCH", client.scan_each(match: "user:*", count: 100).to_a.sort, users.sort)
  same("SCAN", client.scan_each.to_a.sort, (users + others).sort)
  same("SCAN of nothing", client.scan_each(match: "none:*").to_a, [])
end

def errors(client)
  refused("arity", "ERR wrong number of arguments for 'get'") { client.call("GET") }
  refused("unknown command", "ERR unknown command 'NOSUCH'") { client.call("NOSUCH") }
  client.set("word", "word")
  refused("INCR of a word", "ERR value is not an integer or out of range") { client.incr("word") }
  refused("syntax", "ERR syntax error") { client.call("SET", "k", "v", "WHAT") }
  refused("database", "ERR DB index is out of range") { connect(db: 16).ping }
  same("the connection after errors", client.get("word"), "word")
end

# Writes on while the test restarts the server: what was acknowledged is there afterwards.
def restart(client, how)
  before = client.info("server")["process_id"]
  acknowledged = []
  wait_until("a new process after #{how}") do
    number = acknowledged.length
    client.set("#{how}:#{number}", "#{how} #{number}")
    acknowledged << number
    puts "restart #{how}" if acknowledged.length == BEFORE_RESTART
    client.info("server")["process_id"] != before
  rescue Redis::BaseConnectionError
    false
  end
  same("keys before #{how}", client.get("user:0"), "v")
  got = client.mget(acknowledged.map { |number| "#{how}:#{number}" })
  same("values acknowledged around #{how}", got, acknowledged.map { |number| "#{how} #{number}" })
  raise "database after #{how}" unless client.call("CLIENT", "INFO").include?(" db=#{DB} ")
end

$stdout.sync = true
authentication
client = connect(reconnect_attempts: 10, reconnect_delay: 0.05, reconnect_delay_max: 0.2)
%i[connection values pipelines transactions expiry errors scans].each { |check| send(check, client) }
%w[kill terminate].each { |how| restart(client, how) }
puts "held"

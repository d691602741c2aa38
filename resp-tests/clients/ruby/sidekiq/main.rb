# Sidekiq: many jobs, scheduled ones (Sidekiq takes those that are due by a script), retries, jobs that are taken back.
# Exits with 0 only if everything held.
#
# usage: main.rb PORT JOBS      LEADER_CHANGE=yes: says `transfer` while jobs are done
#
# resp-tests/tests/clients/scripts.rs runs it.
ENV["APPLICATION_PORT"] = ARGV[0]
JOBS = Integer(ARGV[1])
require_relative "jobs"
require_relative "../checks"

WAIT_SECONDS = 120 + JOBS / 20
LATE = 10
$stdout.sync = true

def ask
  Sidekiq.redis { |redis| yield redis }
end

def queued
  CountJob.perform_bulk((0...JOBS).map { |number| [number] })
  same("queued", Sidekiq::Queue.new.size, JOBS)
  LATE.times { |number| LateJob.perform_in(1 + number * 0.05, Time.now.to_f + 1 + number * 0.05) }
  revoked = LateJob.perform_in(3, 0)
  FailsOnceJob.perform_async("a")
  same("scheduled", Sidekiq::ScheduledSet.new.size, LATE + 1)
  same("taken back", Sidekiq::ScheduledSet.new.find_job(revoked).delete, true)
end

def done
  if ENV["LEADER_CHANGE"] == "yes"
    wait_until("a quarter is done") { ask { |redis| redis.hlen("done") } >= JOBS / 4 }
    puts "transfer"
  end
  wait_until("all jobs are done") { ask { |redis| redis.hlen("done") } == JOBS }
  runs = ask { |redis| redis.hvals("done") }
  same("each once", runs.uniq, ["1"])
end

def timed
  wait_until("scheduled jobs are done") { ask { |redis| redis.llen("late") } == LATE }
  late = ask { |redis| redis.lrange("late", 0, -1) }.map(&:to_f)
  raise "before they were due: #{late}" if late.any?(&:negative?)
  same("none is left", Sidekiq::ScheduledSet.new.size, 0)
end

def retried
  wait_until("it failed") { Sidekiq::RetrySet.new.size == 1 }
  same("its error", Sidekiq::RetrySet.new.first["error_message"], "once more")
  # At once: by itself it would take up to half a minute.
  Sidekiq::RetrySet.new.retry_all
  wait_until("it is done") { ask { |redis| redis.hget("tries", "a") } == "2" }
  same("nothing is left", [Sidekiq::RetrySet.new.size, Sidekiq::DeadSet.new.size], [0, 0])
  wait_until("all are counted") { Sidekiq::Stats.new.processed == JOBS + LATE + 2 }
  same("failures", Sidekiq::Stats.new.failed, 1)
end

ask(&:flushdb)
queued
command = ["sidekiq", "-r", File.expand_path("jobs.rb", __dir__), "-c", "5", "-t", "5"]
worker = Process.spawn({ "APPLICATION_PORT" => ARGV[0] }, *command, out: :err, pgroup: true)
begin
  began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  done
  puts "#{JOBS} jobs of Sidekiq #{Sidekiq::VERSION} took #{((Process.clock_gettime(Process::CLOCK_MONOTONIC) - began) * 1000).round} ms"
  timed
  retried
  wait_until("the worker is known") { Sidekiq::ProcessSet.new.size == 1 }
  Process.kill("TERM", worker)
  _, status = Process.wait2(worker)
  worker = nil
  same("the worker's end", status.exitstatus, 0)
  same("no worker is left", Sidekiq::ProcessSet.new.size, 0)
ensure
  Process.kill("KILL", worker) if worker
end
puts "held"

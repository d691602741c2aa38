# The jobs that main.rb has Sidekiq do. The worker process and main.rb load it.
require "sidekiq"
require "sidekiq/api"

PORT = Integer(ENV.fetch("APPLICATION_PORT"))
URL = "redis://127.0.0.1:#{PORT}/3"
Sidekiq.configure_client { |config| config.redis = { url: URL } }
Sidekiq.configure_server { |config| config.redis = { url: URL } }
# Looks for jobs that are due as often as a test needs it.
Sidekiq.options[:poll_interval_average] = 0.2

class CountJob
  include Sidekiq::Worker

  def perform(number)
    Sidekiq.redis { |redis| redis.hincrby("done", number, 1) }
  end
end

class LateJob
  include Sidekiq::Worker

  # `due`: seconds since the epoch.
  def perform(due)
    Sidekiq.redis { |redis| redis.rpush("late", Time.now.to_f - due) }
  end
end

class FailsOnceJob
  include Sidekiq::Worker

  def perform(name)
    tries = Sidekiq.redis { |redis| redis.hincrby("tries", name, 1) }
    raise "once more" if tries == 1
  end
end

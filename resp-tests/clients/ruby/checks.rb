# What programs in Ruby check with. They set WAIT_SECONDS.
# frozen_string_literal: true

def same(what, got, expected)
  raise "#{what}: got #{got.inspect}, expected #{expected.inspect}" unless got == expected
end

# Waits for a condition, not for a time.
def wait_until(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + WAIT_SECONDS
  until yield
    raise "#{what}: not within #{WAIT_SECONDS} s" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > deadline

    sleep 0.01
  end
end

"""kombu over its redis transport: simple queues, consumers, priorities, exchanges, what is not acknowledged."""

import socket
import threading

from amqp.exceptions import ChannelError
from common import connect, has_scripts, restart, same, until, url
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.mixins import ConsumerMixin

DB = 4
MESSAGES = 50
SCRIPTS = has_scripts()


def simple(connection):
    with connection.SimpleQueue("simple") as queue:
        same("a new queue", size(queue), 0)
        for number in range(MESSAGES):
            queue.put({"number": number, "text": "Grüße 🚢"})
        same("size", queue.qsize(), MESSAGES)
        for number in range(MESSAGES):
            message = queue.get(timeout=20)
            same("a message", message.payload, {"number": number, "text": "Grüße 🚢"})
            message.ack()
        same("size after all", size(queue), 0)
        empty(queue, "nothing now", block=False)
        empty(queue, "nothing for a second", timeout=1)
        queue.put(b"\x00\xff\r\n", content_type="application/data", content_encoding="binary")
        message = queue.get(timeout=20)
        same("bytes", bytes(message.payload), b"\x00\xff\r\n")
        message.requeue()
        message = queue.get(timeout=20)
        same("bytes again", bytes(message.payload), b"\x00\xff\r\n")
        message.reject()
        large = {"text": "x" * (1 << 20)}
        queue.put(large, compression="zlib")
        queue.put(large)
        for _ in range(2):
            message = queue.get(timeout=20)
            assert message.payload == large, "large message: another value"
            message.ack()
        for number in range(3):
            queue.put(number)
        same("purged", queue.clear(), 3)


def size(queue):
    """A queue without messages has no key, and then the library knows of none."""
    try:
        return queue.qsize()
    except ChannelError:
        return 0


def empty(queue, what, **options):
    try:
        got = queue.get(**options)
    except queue.Empty:
        return
    raise AssertionError(f"{what}: got {got!r}")


def consumers(connection):
    """Two that take turns get each message once."""
    queue = Queue("shared", Exchange("shared"), routing_key="shared")
    got, by = [], [0, 0]

    def taker(number):
        def take(body, message):
            got.append(body)
            by[number] += 1
            message.ack()
        return take

    with Connection(url(DB)) as one, Connection(url(DB)) as two:
        with connection.channel() as channel:
            producer = Producer(channel)
            with Consumer(one, queue, callbacks=[taker(0)], prefetch_count=1):
                with Consumer(two, queue, callbacks=[taker(1)], prefetch_count=1):
                    for number in range(MESSAGES):
                        producer.publish(number, exchange=queue.exchange, routing_key="shared", declare=[queue])
                    until("both took all", lambda: drain(one) + drain(two) == 0 and len(got) == MESSAGES)
    same("each once", sorted(got), list(range(MESSAGES)))
    assert min(by) > 0, f"one consumer got nothing: {by}"


def drain(connection):
    """Takes one message if there is one soon."""
    try:
        connection.drain_events(timeout=0.2)
        return 1
    except socket.timeout:
        return 0


def unacknowledged(connection):
    """What a consumer took and did not acknowledge before it went goes to another, marked."""
    queue = Queue("left", Exchange("left"), routing_key="left")
    with connection.channel() as channel:
        Producer(channel).publish("left behind", exchange=queue.exchange, routing_key="left", declare=[queue])
    held = []
    with Connection(url(DB)) as first:
        with Consumer(first, queue, callbacks=[lambda body, message: held.append(message)]):
            until("the first has it", lambda: drain(first) or held)
            with connect(DB) as client:
                same("filed as unacknowledged", client.hlen("unacked"), 1)
                same("and by its time", client.zcard("unacked_index"), 1)
    again = []
    with Connection(url(DB)) as second:
        with Consumer(second, queue, callbacks=[lambda body, message: (again.append(message), message.ack())]):
            until("the second has it", lambda: drain(second) or again)
    same("the same message", again[0].payload, "left behind")
    same("marked", again[0].delivery_info.get("redelivered"), True)
    with connect(DB) as client:
        same("nothing filed", (client.hlen("unacked"), client.zcard("unacked_index")), (0, 0))


def priorities(connection):
    """0 is the most urgent here. Those of one priority keep their order."""
    queue = Queue("ranked", Exchange("ranked"), routing_key="ranked", max_priority=10)
    with connection.channel() as channel:
        producer = Producer(channel)
        for number, priority in enumerate([9, 3, 0, 6, 9, 0, 3]):
            producer.publish((priority, number), exchange=queue.exchange, routing_key="ranked",
                             declare=[queue], priority=priority)
    got = []
    with connection.SimpleQueue(queue) as simple_queue:
        same("size over all priorities", simple_queue.qsize(), 7)
        for _ in range(7):
            message = simple_queue.get(timeout=20)
            got.append(tuple(message.payload))
            message.ack()
    same("by priority", got, [(0, 2), (0, 5), (3, 1), (3, 6), (6, 3), (9, 0), (9, 4)])


def exchanges(connection):
    """Topics go by pattern, a fanout goes to all who listen now."""
    topic = Exchange("weather", type="topic")
    queues = [Queue("eu", topic, routing_key="eu.#"), Queue("rain", topic, routing_key="*.rain")]
    got = {"eu": [], "rain": [], "one": [], "two": []}

    def take(name):
        return lambda body, message: (got[name].append(body), message.ack())

    with connection.channel() as channel:
        for queue in queues:
            queue(channel).declare()
        producer = Producer(channel)
        for key in ("eu.rain", "eu.sun.hot", "us.rain", "us.sun"):
            producer.publish(key, exchange=topic, routing_key=key)
    with Connection(url(DB)) as reader:
        with Consumer(reader, queues[0], callbacks=[take("eu")]):
            with Consumer(reader, queues[1], callbacks=[take("rain")]):
                until("topics", lambda: drain(reader) == 0 and len(got["eu"]) + len(got["rain"]) == 4)
    same("eu.#", got["eu"], ["eu.rain", "eu.sun.hot"])
    same("*.rain", got["rain"], ["eu.rain", "us.rain"])
    news = Exchange("news", type="fanout")
    with Connection(url(DB)) as one, Connection(url(DB)) as two:
        with Consumer(one, Queue("one", news), callbacks=[take("one")]):
            with Consumer(two, Queue("two", news), callbacks=[take("two")]):
                drain(one), drain(two)
                with connection.channel() as channel:
                    for number in range(5):
                        Producer(channel).publish(number, exchange=news, declare=[news])
                until("fanout", lambda: drain(one) + drain(two) == 0 and len(got["one"]) + len(got["two"]) == 10)
    same("fanout, one", got["one"], list(range(5)))
    same("fanout, two", got["two"], list(range(5)))
    with connection.channel() as channel:
        for queue in queues:
            queue(channel).delete()
    with connect(DB) as client:
        same("no binding is left", client.smembers("_kombu.binding.weather"), set())


class Taker(ConsumerMixin):
    """Takes from a queue in a thread and connects again by itself, as programs with this library do."""

    def __init__(self, connection, queue):
        self.connection, self.queue, self.got = connection, queue, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def get_consumers(self, Consumer, channel):
        return [Consumer(self.queue, callbacks=[self.take])]

    def take(self, body, message):
        self.got.append(body)
        message.ack()

    def end(self):
        self.should_stop = True
        self.thread.join(20)
        assert not self.thread.is_alive(), "a consumer does not end"


def restarted(connection, how):
    """What was put before is there after; producers and consumers come back by themselves."""
    lasting, steady = (Queue(f"{name}-{how}", Exchange(name), routing_key=how) for name in ("lasting", "steady"))
    with connection.clone() as mine:
        producer = Producer(mine)

        def put(queue, numbers):
            for number in numbers:
                producer.publish(number, exchange=queue.exchange, routing_key=how, declare=[queue], retry=True)

        put(lasting, range(MESSAGES))
        with connection.clone() as its:
            taker = Taker(its, steady)
            put(steady, ["before"])
            until("a consumer before", lambda: taker.got == ["before"])
            restart(how)
            put(steady, ["after"])
            until(f"the consumer after {how}", lambda: taker.got == ["before", "after"])
            taker.end()
        with connection.clone() as its:
            taker = Taker(its, lasting)
            until(f"all after {how}", lambda: len(taker.got) == MESSAGES)
            taker.end()
            same(f"messages after {how}", taker.got, list(range(MESSAGES)))


def main():
    with connect(DB) as client:
        client.flushdb()
        if not SCRIPTS:
            # A consumer that waits in vain looks for what others left unacknowledged too long, and gives the lock for
            # that back by a script. Without scripts somebody else has the lock.
            client.set("unacked_mutex", "held")
    with Connection(url(DB)) as connection:
        for check in (simple, consumers, unacknowledged, priorities, exchanges):
            check(connection)
        for how in ("kill", "terminate"):
            restarted(connection, how)
    print("held", flush=True)


main()

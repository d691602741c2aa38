"""Network namespaces on one bridge: a pod has one, and a new address at each start. Names are in /etc/hosts of each pod."""

import itertools
import os
import subprocess
import threading


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """The machine is on the bridge too, as the kubelet and the clients are."""

    def __init__(self):
        self.tag = f"{os.getpid() % 0xffff:x}"
        # Far from the networks of the other tests.
        self.prefix = f"10.{64 + os.getpid() % 60}"
        self.bridge, self.numbers, self.lock = f"flr{self.tag}", itertools.count(2), threading.Lock()
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.prefix}.0.1/16", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def add(self):
        """A namespace: its name and address."""
        with self.lock:
            number = next(self.numbers)
        name, inner, outer = f"flr{self.tag}-{number}", f"fi{self.tag}{number}", f"fo{self.tag}{number}"
        address = f"{self.prefix}.{number >> 8}.{number & 255}"
        run("ip", "netns", "add", name)
        run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        run("ip", "link", "set", outer, "master", self.bridge, "up")
        for words in (("addr", "add", f"{address}/16", "dev", inner), ("link", "set", inner, "up"), ("link", "set", "lo", "up")):
            run("ip", "-n", name, *words)
        return name, address

    def remove(self, name):
        subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def close(self):
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)

/**
 * Which user a server runs as when we are root: one of its own, derived from its address, so that no tenant's
 * superuser can read another's files. Nothing has to be created for it: the kernel knows numbers only.
 */
import { readFileSync } from "node:fs"
import { isIPv4 } from "node:net"
import type { Identity } from "./HostProcess.ts"

/** Far above real users, `/etc/subuid` ranges and systemd's dynamic users and containers (which end at 0x6FFFFFFF). */
const base = 0x7000_0000
/** In a user namespace such as a rootless container there are usually 65536 users in all: share the upper part. */
const smallBase = 20_000
const smallSpan = 40_000

/** The user for the server at a loopback address; distinct for distinct addresses of 127.0.0.0/8. */
export const serverIdentity = (address: string): Identity => {
  if (!isIPv4(address)) throw new TypeError(`not an IPv4 address: ${address}`)
  const low = address
    .split(".")
    .slice(1)
    .reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const id = highestUser() >= base + 0xff_ffff ? base + low : smallBase + (low % smallSpan)
  return { uid: id, gid: id }
}

const highestUser = () => {
  try {
    const ranges = readFileSync("/proc/self/uid_map", "utf8").trim().split("\n")
    return Math.max(
      ...ranges.map((line) => line.trim().split(/\s+/).map(Number)).map(([first = 0, , count = 0]) => first + count - 1)
    )
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

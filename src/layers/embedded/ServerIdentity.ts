/**
 * Which user a server runs as when we are root: one of its own, derived from its address, so that no tenant's
 * superuser can read another's files. Nothing has to be created for it: the kernel knows numbers only.
 */
import { readFileSync } from "node:fs"
import { isIPv4 } from "node:net"
import type { Identity } from "./HostProcess.ts"

/** Far above real users, `/etc/subuid` ranges and systemd's dynamic users and containers (which end at 0x6FFFFFFF). */
const base = 0x7000_0000
const hosts = 0x100_0000
/** In a user namespace such as a rootless container there are usually 65536 users in all: share the upper part. */
const smallBase = 20_000
const smallSpan = 40_000

const controlPlaneAddress = "127.0.0.1"
/** That address, below its network. */
const controlPlane = 1

/**
 * The user for the server at an address. A machine's instances have their addresses from one network, a /8 at the
 * most, so distinct addresses have distinct users, except in a small user namespace: there two instances share one
 * when their addresses lie a multiple of 40000 apart. The control plane's, whose database knows everything, is shared
 * with nobody in either.
 * @param highest the highest user that there can be
 */
export const serverIdentity = (address: string, highest = highestUser()): Identity => {
  if (!isIPv4(address)) throw new TypeError(`not an IPv4 address: ${address}`)
  const low = address
    .split(".")
    .slice(1)
    .reduce((sum, octet) => sum * 256 + Number(octet), 0)
  const slot = address === controlPlaneAddress ? controlPlane : isSmall(highest) ? smallSlot(low) : slotOf(low)
  const id = (isSmall(highest) ? smallBase : base) + slot
  return { uid: id, gid: id }
}

/** Whether a user is one that `serverIdentity` gives to an instance. */
export const isInstanceUser = (uid: number, highest = highestUser()): boolean => {
  const [first, count] = isSmall(highest) ? [smallBase, smallSpan + 1] : [base, hosts]
  return uid >= first && uid < first + count && uid !== first + controlPlane
}

const isSmall = (highest: number) => highest < base + hosts - 1

/** Who would get the control plane's, as 10.0.0.1, gets that of the network itself, at which nobody listens. */
const slotOf = (low: number) => (low === controlPlane ? 0 : low)

/** Who would get the control plane's gets the one beyond the span. */
const smallSlot = (low: number) => {
  const slot = low % smallSpan
  return slot === controlPlane ? smallSpan : slot
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

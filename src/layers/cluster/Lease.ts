/**
 * How soon taskmanagers take over from one another: every setting that decides it, with its reason. A taskmanager that
 * is killed is missed by its sessions in PostgreSQL, one that stands still by its lease (docs/decisions/0010-*.md).
 */
import { createHash } from "node:crypto"
import { Duration } from "effect"

/**
 * A taskmanager that has not renewed it for so long has lost its shards. Short enough that what was on a frozen one
 * moves again within 15 s: the lease, a look for who is gone, the taking of its shards, a sweep. Not shorter, for a
 * machine that is busy for some seconds is not to lose all that it has.
 */
export const lease = Duration.seconds(9)

/**
 * How often it is renewed, and how long a renewal may take before everything is let go: a third of the lease, so that
 * who cannot renew has stopped its work when the lease ends.
 */
export const renewal = Duration.divideUnsafe(lease, 3)

/**
 * How often each looks who is there. Who was killed is missed at the second look in a row that finds no session of it:
 * a connection that is made anew is no death.
 */
export const look = Duration.seconds(1)
export const looksMissed = 2

/**
 * How often an actor's or a workflow's messages are looked for whose notice was lost, with the process that was to give
 * it or to hear it; and how often a shard that was held by another still is asked for again.
 */
export const messagePoll = Duration.seconds(2)

/** How long a stop waits for the step in flight; what it cuts off is run again by another, or at the next start. */
export const terminationTimeout = Duration.seconds(5)

/**
 * Sessions that a taskmanager had when it was last heard of are its own; later ones may be of the next that was started
 * at the same address. It makes no new ones while it stands still, so those of one more renewal that failed are all.
 */
export const sessionsUntil = Duration.times(renewal, 2)

/** What PostgreSQL keeps of a session's name, less our words before the address. */
const longestAddress = 40

/** How the sessions of the taskmanager at this address are called in PostgreSQL. */
export const sessionName = (address: string) =>
  `coffer taskmanager ${
    address.length <= longestAddress
      ? address
      : createHash("sha256").update(address).digest("hex").slice(0, longestAddress)
  }`

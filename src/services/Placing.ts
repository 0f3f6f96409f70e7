/**
 * How a place is found for an instance, whatever the store: the live host of its zone with the most memory left, and the next
 * address of its range, going round, that nobody owns and nobody listens on. A store gives the rows.
 */
import { Clock, Duration, Effect, Option, Result } from "effect"
import { type AddressRange, addressAt, parseRange, rangeProblem } from "./AddressRange.ts"
import { Compute, type ComputeError } from "./Compute.ts"
import type { AgentKind } from "./GuestAccess.ts"
import { type HostReport, hostExpiry, type LiveHost } from "./GuestHostDirectory.ts"
import type { InstanceId, Millis } from "./Ids.ts"
import { NoAddressLeft, NoHost, type Placement, type Placements, PlaceUnwanted, type Wanted } from "./Placements.ts"
import { defaultZone } from "./Zones.ts"

/** How many addresses of a host are tried before it is given up: foreign listeners are few, or they take the range. */
const maxTries = 64

/** How many addresses are looked up at once. */
const window = 64

/** A place that does not report: it is there for as long as we are, and its memory is not ours to count. */
export interface StandingHost {
  readonly name: string
  readonly addresses: string
  readonly agent: AgentKind
  /** Whether it can keep clients out; nothing where that is not known. */
  readonly guards?: boolean
  readonly zone: string
}

export const localName = "local"

/** This machine, where everything is one process. */
export const localHost = (addresses: string, zone = defaultZone): StandingHost => ({
  name: localName,
  addresses,
  agent: "coffer",
  zone
})

export const commandName = "command"

/** Wherever the operator's program makes servers for Trove's agents. */
export const commandHost = (addresses: string): StandingHost => ({
  name: commandName,
  addresses,
  agent: "trove",
  zone: defaultZone
})

export const isCommandHost = (host: string) => host === commandName

/** Why no host can be called so, or have these addresses; null where it can. */
export const hostProblem = ({ addresses, name }: Pick<HostReport, "addresses" | "name">): string | null => {
  if (isCommandHost(name)) return `the name ${name} is kept for servers that a program of the operator makes`
  const problem = rangeProblem(addresses)
  return problem === null ? null : `its addresses, ${addresses}, ${problem}`
}

/** The same for every store: such a host is told of, and otherwise as if it had not spoken. */
export const refusedHost = ({ name }: HostReport, problem: string) =>
  Effect.logWarning(`the guest host ${name} gets no instances: ${problem}`)

export interface HostRow extends LiveHost {
  /** Whether it can keep clients out; null where it did not tell. */
  readonly guards: boolean | null
  /** Where in the range the search for an address goes on. */
  readonly nextAddress: number
}

/** What a store has to give. */
export interface PlacementRows {
  readonly find: Placements["Service"]["find"]
  readonly release: Placements["Service"]["release"]
  /** One at a time: two that look at once would both take the same memory for free. */
  readonly inTurn: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** The hosts that reported at `since` or later, and the standing ones. */
  readonly hosts: (since: Millis) => Effect.Effect<ReadonlyArray<HostRow>>
  /** Those of `addresses` that somebody owns on this host. */
  readonly owned: (host: string, addresses: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<string>>
  /** Whether the instance is ordered or being built, which lasts until this turn is over. */
  readonly isAwaited: (id: InstanceId) => Effect.Effect<boolean>
  /** The instance owns the place, yet to be confirmed, and the next search goes on at `nextAddress`. */
  readonly claim: (id: InstanceId, placement: Placement, nextAddress: number) => Effect.Effect<void>
  /** Nobody else listens there: the place is the instance's for good. False when it is its own no more. */
  readonly confirm: (id: InstanceId, placement: Placement) => Effect.Effect<boolean>
  /** The instance owns this place no more; any other place of it stays. */
  readonly unclaim: (id: InstanceId, placement: Placement) => Effect.Effect<void>
  /** Its place, if it has one that is confirmed. */
  readonly confirmed: Placements["Service"]["find"]
}

interface Candidate {
  readonly host: HostRow
  readonly range: AddressRange
  readonly freeMb: number
}

const noAddressLeft = ({ host }: Candidate) => new NoAddressLeft({ host: host.name, range: host.addresses })

/** Hosts that were asked and could not take the instance, and why. */
type PassedOver = Map<string, NoAddressLeft | ComputeError>

export const makePlacements = (rows: PlacementRows, standing: ReadonlyArray<StandingHost>): Placements["Service"] => {
  const candidateOf = (host: HostRow, { agent, zone }: Wanted): Option.Option<Candidate> => {
    const stands = standing.find(({ name }) => name === host.name)
    if ((stands?.agent ?? "coffer") !== agent || (zone ?? host.zone) !== host.zone) return Option.none()
    const freeMb = stands === undefined ? host.memoryMb - host.usedMb : Number.POSITIVE_INFINITY
    return Option.map(parseRange(host.addresses), (range) => ({ host, range, freeMb }))
  }

  const roomiestFirst = (one: Candidate, other: Candidate) =>
    other.freeMb === one.freeMb ? (one.host.name < other.host.name ? -1 : 1) : other.freeMb - one.freeMb

  /** Where in the range the next address is that nobody owns. */
  const nextFree = Effect.fnUntraced(function* ({ host, range }: Candidate) {
    for (let seen = 0; seen < range.count; seen += window) {
      const numbers = Array.from(
        { length: Math.min(window, range.count - seen) },
        (_, n) => (host.nextAddress + seen + n) % range.count
      )
      const owned = new Set(
        yield* rows.owned(
          host.name,
          numbers.map((n) => addressAt(range, n))
        )
      )
      const free = numbers.find((n) => !owned.has(addressAt(range, n)))
      if (free !== undefined) return Option.some(free)
    }
    return Option.none<number>()
  })

  /** The next place that may do, claimed; it may turn out that somebody listens there. */
  const claimNext = Effect.fnUntraced(function* (id: InstanceId, wanted: Wanted, passedOver: PassedOver) {
    const now = yield* Clock.currentTimeMillis
    const hosts = yield* rows.hosts(now - Duration.toMillis(hostExpiry))
    const live = hosts.flatMap((host) => Option.toArray(candidateOf(host, wanted)))
    const fit = live.filter(({ host }) => wanted.guarded !== true || host.guards !== false)
    const roomy = fit.filter(({ freeMb }) => freeMb >= wanted.memoryMb).toSorted(roomiestFirst)
    for (const candidate of roomy) {
      const { host, range } = candidate
      if (passedOver.has(host.name)) continue
      const free = yield* nextFree(candidate)
      if (Option.isSome(free)) {
        const placement = { host: host.name, address: addressAt(range, free.value) }
        yield* rows.claim(id, placement, (free.value + 1) % range.count)
        return { ...placement, range: host.addresses, count: range.count }
      }
      passedOver.set(host.name, noAddressLeft(candidate))
    }
    // Who could not be reached may be reached later; a range that is full stays full.
    const reasons = [...passedOver.values()]
    const reason = reasons.find(({ _tag }) => _tag === "ComputeError") ?? reasons[0]
    const { agent, memoryMb, zone } = wanted
    const isUnguarded = live.length > 0 && fit.length === 0
    return yield* reason ??
      new NoHost({ agent, memoryMb, zone, live: live.length, ...(isUnguarded ? { unguarded: true } : {}) })
  })

  /** The place that it has, which may be yet to be confirmed, or the next one that may do. */
  const claimOrFind = Effect.fnUntraced(function* (id: InstanceId, wanted: Wanted, passedOver: PassedOver) {
    const mine = yield* rows.find(id)
    if (Option.isNone(mine)) {
      // Whoever was held up since its delete must not take what nobody would give back.
      if (!(yield* rows.isAwaited(id))) return yield* new PlaceUnwanted({ id })
      return yield* claimNext(id, wanted, passedOver)
    }
    return { ...mine.value, range: mine.value.address, count: 1 }
  })

  /** Two that look for one instance at once come by the same place, and neither takes it from the other. */
  const allocate = Effect.fnUntraced(function* (id: InstanceId, wanted: Wanted) {
    const compute = yield* Compute
    const passedOver: PassedOver = new Map()
    const tries = new Map<string, number>()
    while (true) {
      const { address, count, host, range } = yield* rows.inTurn(claimOrFind(id, wanted, passedOver))
      const place = { host, address }
      const answer = yield* Effect.result(compute.isFree(host, address, wanted.port)).pipe(
        Effect.onError(() => rows.unclaim(id, place))
      )
      if (Result.isSuccess(answer) && answer.success) {
        if (yield* rows.confirm(id, place)) return place
        continue
      }
      yield* rows.unclaim(id, place)
      const tried = (tries.get(host) ?? 0) + 1
      tries.set(host, tried)
      if (Result.isFailure(answer)) passedOver.set(host, answer.failure)
      // One that was left by an earlier try says nothing of the others.
      else if (count > 1 && tried >= Math.min(maxTries, count)) passedOver.set(host, new NoAddressLeft({ host, range }))
    }
  })

  const ensure = Effect.fn("Placements.ensure")(function* (id: InstanceId, wanted: Wanted) {
    const mine = yield* rows.confirmed(id)
    return Option.isSome(mine) ? mine.value : yield* allocate(id, wanted)
  })

  const hasRoom = Effect.fn("Placements.hasRoom")(function* (id: InstanceId) {
    const mine = Option.getOrNull(yield* rows.find(id))
    if (mine === null) return false
    if (standing.some(({ name }) => name === mine.host)) return true
    // Also of one that is silent: its memory is what it was.
    const host = (yield* rows.inTurn(rows.hosts(0))).find(({ name }) => name === mine.host)
    return host !== undefined && host.usedMb <= host.memoryMb
  })

  return { ensure, hasRoom, find: rows.find, release: rows.release }
}

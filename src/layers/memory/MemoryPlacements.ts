/** Guest hosts and who lives where, in memory: the part of MemoryStore that is the twin of PgPlacements and PgGuestHosts. */
import { Clock, Duration, Effect, Option, Semaphore } from "effect"
import {
  GuestHostDirectory,
  HostInhabited,
  type HostReport,
  hostExpiry,
  type LiveHost
} from "../../services/GuestHostDirectory.ts"
import { type Placement, Placements } from "../../services/Placements.ts"
import {
  type HostRow,
  hostProblem,
  isCommandHost,
  makePlacements,
  refusedHost,
  type StandingHost
} from "../../services/Placing.ts"

interface Host {
  readonly addresses: string
  readonly memoryMb: number
  readonly guards: boolean | null
  readonly zone: string
  readonly reported: number
  readonly nextAddress: number
}

/** Where each instance lives, and what its flavor has. */
export interface Places {
  readonly byInstance: Map<string, Placement>
  readonly ramOf: (id: string) => number
  /** Whether it is ordered or being built. */
  readonly isAwaited: (id: string) => boolean
}

export const makeMemoryPlacements = (
  { byInstance, isAwaited, ramOf }: Places,
  standing: ReadonlyArray<StandingHost>
) => {
  const hosts = new Map<string, Host>()
  for (const { addresses, guards = null, name, zone } of standing) {
    hosts.set(name, { addresses, memoryMb: 0, guards, zone, reported: Number.NEGATIVE_INFINITY, nextAddress: 0 })
  }
  const isStanding = (name: string) => standing.some((host) => host.name === name)

  const usedMb = (host: string) =>
    [...byInstance].reduce((sum, [id, place]) => (place.host === host ? sum + ramOf(id) : sum), 0)

  const residentsOf = (host: string) => [...byInstance].filter(([, place]) => place.host === host).map(([id]) => id)
  const hasReported = (name: string, { reported }: Host) => reported > 0 && !isStanding(name)

  const rowsOf = (isMeant: (name: string, host: Host) => boolean) =>
    [...hosts]
      .filter(([name, host]) => isMeant(name, host))
      .map(([name, { addresses, guards, memoryMb, nextAddress, zone }]) => ({
        name,
        guards,
        addresses,
        memoryMb,
        zone,
        nextAddress,
        usedMb: usedMb(name)
      }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))

  const plain = ({ guards: _, nextAddress: __, ...host }: HostRow): LiveHost => host

  const report = (told: HostReport) => {
    const { addresses, at, guards = null, memoryMb, name, zone } = told
    const nextAddress = hosts.get(name)?.nextAddress ?? 0
    return Effect.sync(() => hosts.set(name, { addresses, memoryMb, guards, zone, reported: at, nextAddress }))
  }

  const directory = GuestHostDirectory.of({
    report: (told) => {
      const problem = hostProblem(told)
      return problem === null ? Effect.asVoid(report(told)) : refusedHost(told, problem)
    },
    live: (since) => Effect.sync(() => rowsOf((_, { reported }) => reported >= since).map(plain)),
    known: Effect.sync(() =>
      rowsOf(hasReported).map((host) => ({
        ...plain(host),
        instances: residentsOf(host.name).length,
        reportedAt: hosts.get(host.name)?.reported ?? 0
      }))
    ),
    guards: Effect.fnUntraced(function* (where) {
      const since = (yield* Clock.currentTimeMillis) - Duration.toMillis(hostExpiry)
      if ("instance" in where) return hosts.get(byInstance.get(where.instance)?.host ?? "")?.guards ?? null
      const told = [...hosts].filter(
        ([name, { guards, reported, zone }]) =>
          (reported >= since || (isStanding(name) && guards !== null)) && (where.zone === null || where.zone === zone)
      )
      return told.length === 0 ? null : told.some(([, { guards }]) => guards !== false)
    }),
    zones: (agent) =>
      Effect.sync(() => {
        const meant = [...hosts].filter(([name]) => isCommandHost(name) === (agent === "trove"))
        return [...new Set(meant.map(([, { zone }]) => zone))].toSorted()
      }),
    remove: (name, residents) =>
      Effect.suspend(() => {
        const host = hosts.get(name)
        if (host === undefined || !hasReported(name, host)) return Effect.succeed(0)
        const ids = residentsOf(name)
        if (ids.length > 0 && residents === "kept")
          return Effect.fail(new HostInhabited({ host: name, instances: ids.length }))
        for (const id of ids) {
          byInstance.delete(id)
          confirmed.delete(id)
        }
        hosts.delete(name)
        return Effect.succeed(ids.length)
      })
  })

  /** Whose host has said that nobody else listens there. */
  const confirmed = new Set<string>()
  const owns = (id: string, { address, host }: Placement) => {
    const place = byInstance.get(id)
    return place?.host === host && place.address === address
  }

  const placements = Placements.of(
    makePlacements(
      {
        find: (id) => Effect.sync(() => Option.fromNullishOr(byInstance.get(id))),
        release: (id) =>
          Effect.sync(() => {
            byInstance.delete(id)
            confirmed.delete(id)
          }),
        inTurn: Semaphore.makeUnsafe(1).withPermits(1),
        hosts: (since) => Effect.sync(() => rowsOf((name, { reported }) => reported >= since || isStanding(name))),
        owned: (host, addresses) =>
          Effect.sync(() =>
            [...byInstance.values()]
              .filter((place) => place.host === host && addresses.includes(place.address))
              .map(({ address }) => address)
          ),
        confirm: (id, place) =>
          Effect.sync(() => {
            if (!owns(id, place)) return false
            confirmed.add(id)
            return true
          }),
        unclaim: (id, place) =>
          Effect.sync(() => void (owns(id, place) && !confirmed.has(id) && byInstance.delete(id))),
        confirmed: (id) =>
          Effect.sync(() => (confirmed.has(id) ? Option.fromNullishOr(byInstance.get(id)) : Option.none())),
        isAwaited: (id) => Effect.sync(() => isAwaited(id)),
        claim: (id, place, nextAddress) =>
          Effect.sync(() => {
            if (byInstance.has(id)) throw new Error(`${id} has a place already`)
            byInstance.set(id, place)
            const host = hosts.get(place.host)
            if (host !== undefined) hosts.set(place.host, { ...host, nextAddress })
          })
      },
      standing
    )
  )

  return { directory, placements }
}

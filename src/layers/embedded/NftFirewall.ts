/**
 * The firewall of this machine by nftables, in a table of its own for each folder of homes: what others have set there
 * is neither looked at nor changed. The homes say what is to be in it; all of it is made anew at the start.
 */

import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { Duration, Effect, Layer, Semaphore } from "effect"
import { DatabasesOutliveAgents } from "../../guest/GuestAgent.ts"
import { FirewallError, type Guard, HostFirewall } from "../../guest/HostFirewall.ts"
import { addGuard, dropTable, removeGuard, wholeTable } from "./NftRules.ts"

/** How long a transaction may take; milliseconds are usual. */
const patience = 10_000

/** How often it is looked whether somebody has thrown our table away, as who sets all rules of a machine anew does. */
export const lookInterval = Duration.seconds(10)

/** The table of a folder of homes. */
export const tableOf = (root: string) => `coffer_${createHash("sha256").update(root).digest("hex").slice(0, 12)}`

const nft = (args: ReadonlyArray<string>, input = "") =>
  Effect.callback<void, FirewallError>((resume) => {
    const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" }
    const child = execFile("nft", [...args], { env, timeout: patience }, (error, _, stderr) =>
      resume(
        error === null
          ? Effect.void
          : Effect.fail(new FirewallError({ detail: `nft: ${(stderr || error.message).trim().slice(0, 500)}` }))
      )
    )
    // One that is not installed takes no input, and has told so already.
    child.stdin?.on("error", () => {})
    child.stdin?.end(input)
  })

/** One that nobody has: what can be said of it could be said of any. */
const example: Guard = { instanceId: "example", address: "127.0.0.1", port: 1, networks: ["127.0.0.0/8"] }

/** Why this machine can guard nothing; null where it can. The kernel is asked, and does nothing of it. */
export const obstacle = nft(["--check", "-f", "-"], wholeTable("coffer_example", [example])).pipe(
  Effect.as(null),
  Effect.catch(({ detail }) => Effect.succeed(detail))
)

const make = Effect.fnUntraced(function* (root: string) {
  const table = tableOf(root)
  const guards = new Map<string, Guard>()
  /** There may be a table, if an empty one. */
  let isMade = false
  const inTurn = Semaphore.makeUnsafe(1).withPermits(1)
  // What is begun is known to have happened or not.
  const tell = (text: string) => Effect.uninterruptible(nft(["-f", "-"], text))

  const open = Effect.fnUntraced(function* (instanceId: string) {
    const known = guards.get(instanceId)
    if (known === undefined) return
    guards.delete(instanceId)
    yield* Effect.tapError(tell(removeGuard(table, known)), () => Effect.sync(() => guards.set(instanceId, known)))
  })

  const guard = Effect.fnUntraced(function* (wanted: Guard) {
    if (wanted.networks.length === 0) return yield* open(wanted.instanceId)
    isMade = true
    yield* tell(addGuard(table, wanted))
    guards.set(wanted.instanceId, wanted)
  })

  const rebuild = Effect.fnUntraced(function* (wanted: ReadonlyArray<Guard>) {
    const restricted = wanted.filter(({ networks }) => networks.length > 0)
    guards.clear()
    for (const one of restricted) guards.set(one.instanceId, one)
    // A machine that has nothing to guard needs no nftables.
    if (restricted.length === 0) return yield* Effect.ignore(tell(dropTable(table)))
    isMade = true
    yield* tell(wholeTable(table, restricted))
  })

  const isThere = nft(["list", "map", "ip", table, "guarded"]).pipe(
    Effect.as(true),
    Effect.orElseSucceed(() => false)
  )
  const heal = Effect.gen(function* () {
    if (guards.size === 0 || (yield* isThere)) return
    yield* Effect.logError(`somebody has removed the nftables table ${table}; it is made anew`)
    yield* tell(wholeTable(table, [...guards.values()]))
  }).pipe(Effect.catch(({ detail }) => Effect.logError(`databases are not guarded: ${detail}`)))
  yield* Effect.forkScoped(Effect.forever(Effect.delay(inTurn(heal), lookInterval)))

  // Databases that go on without us are guarded without us, also one that could not be stopped.
  if (!(yield* DatabasesOutliveAgents))
    yield* Effect.addFinalizer(() =>
      inTurn(Effect.suspend(() => (isMade && guards.size === 0 ? Effect.ignore(tell(dropTable(table))) : Effect.void)))
    )

  return {
    obstacle,
    guard: (wanted: Guard) => inTurn(guard(wanted)),
    forget: (instanceId: string) => inTurn(open(instanceId)),
    rebuild: (wanted: ReadonlyArray<Guard>) => inTurn(rebuild(wanted))
  }
})

/** `root`: the folder of all homes. */
export const layer = (root: string) => Layer.effect(HostFirewall, make(root))

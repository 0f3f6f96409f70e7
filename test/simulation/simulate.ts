/**
 * One life: faults and requests for some minutes, then peace, in which everything has to come to rest; then everything
 * is deleted, and nothing may be left. The seed says it all: run again it is the very same life.
 */
import { Context, Effect, Scope } from "effect"
import * as Clients from "./Clients.ts"
import * as Dice from "./Dice.ts"
import type { FaultKind } from "./Faults.ts"
import * as Invariants from "./Invariants.ts"
import * as Machines from "./Machines.ts"
import type { Line } from "./Story.ts"
import * as Taskmanagers from "./Taskmanagers.ts"
import * as Universe from "./Universe.ts"
import { VirtualTime } from "./VirtualTime.ts"

export interface Verdict {
  readonly seed: number
  /** What was wrong, in words; none where all was well. */
  readonly violations: ReadonlyArray<string>
  readonly story: ReadonlyArray<Line>
  readonly faults: ReadonlyMap<FaultKind, number>
  /** Milliseconds of virtual time that it took. */
  readonly length: number
}

/** In milliseconds of virtual time. */
const minute = 60_000
/** When the last fault has happened and the last request was made, at the latest and at the earliest. */
const [shortestStorm, longestStorm] = [2 * minute, 7 * minute]
/** Time enough for every deadline and every retry: after a build's deadline comes what it made, and then its delete. */
const patience = 40 * minute
/** How often what must always be true is looked at. */
const look = 2_000
/** How often something may go wrong with a machine. */
const troubleInterval = 20_000

export const simulate = async (seed: number): Promise<Verdict> => {
  const time = new VirtualTime(Dice.make(seed, "order"))
  const run = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
    const fiber = Effect.runFork(effect, { scheduler: time.scheduler })
    await time.settle()
    for (let n = 0; fiber.pollUnsafe() === undefined && n < 10_000; n++) await time.step(Number.POSITIVE_INFINITY)
    return Effect.runPromise(
      Effect.flatMap(Effect.fromNullishOr(fiber.pollUnsafe()), (exit) => exit).pipe(Effect.orDie)
    )
  }
  const scope = Scope.makeUnsafe()
  const here = <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => run(Scope.provide(effect, scope))

  const universe = await here(Universe.make(seed, time))
  const { faults, story, witness, world } = universe
  const known = Context.merge(world, universe.references)
  const inWorld = <A, E>(effect: Effect.Effect<A, E, Universe.Shared | Scope.Scope>) =>
    here(Effect.provideContext(effect, known))
  const dice = Dice.make(seed, "world")

  const machines = await inWorld(
    Effect.forEach(["host-a", "host-b"].slice(0, dice.between(1, 2)), (name, n) =>
      Machines.make(universe, name, `10.${n + 1}.0.0/28`)
    )
  )
  const taskmanagers = Array.from({ length: dice.pick([1, 2, 2]) }, (_, n) =>
    Taskmanagers.make(universe, `taskmanager-${n + 1}`, n + 1)
  )
  const clients = await inWorld(Clients.make(universe))
  const invariants = Invariants.make(universe, machines)

  const until = async (end: number) => {
    while (time.elapsed < end && witness.violations.length === 0) {
      const next = time.now + Math.min(look, end - time.elapsed)
      while (await time.step(next));
      await inWorld(invariants.always)
    }
  }
  /** Until everything has come to its end; what has not, when patience is over, is told. */
  const rest = async () => {
    const end = time.elapsed + patience
    let left = ["nothing was looked at"]
    while (left.length > 0 && time.elapsed < end && witness.violations.length === 0) {
      await until(time.elapsed + 10_000)
      left = await inWorld(invariants.unsettled)
    }
    for (const what of left)
      if (witness.violations.length === 0 || time.elapsed >= end) witness.wrong(`at last, ${what}`)
  }
  const verdict = (): Verdict => ({
    seed,
    violations: witness.violations,
    story: story.lines,
    faults: faults.counts,
    length: time.elapsed
  })

  for (const { boot } of [...machines, ...taskmanagers]) universe.run(boot)
  const storm = dice.between(shortestStorm, longestStorm)
  clients.begin(storm)
  const trouble = () =>
    time.after(dice.between(1_000, troubleInterval), () => {
      if (faults.stopped) return
      for (const machine of machines) machine.trouble()
      if (faults.strikes("broker is away", "for all"))
        universe.broker.away(faults.lasts("broker is away", 1_000, 40_000))
      trouble()
    })
  trouble()
  await until(storm)

  faults.stop()
  universe.broker.back()
  story.tell("fault", "from now on nothing goes wrong")
  for (const { heal } of [...machines, ...taskmanagers]) universe.run(heal)
  await rest()
  if (witness.violations.length === 0) await inWorld(invariants.atRest)
  if (witness.violations.length > 0) return verdict()

  await inWorld(clients.removeAll)
  await rest()
  if (witness.violations.length === 0) await inWorld(Effect.andThen(invariants.atRest, invariants.atTheEnd))
  return verdict()
}

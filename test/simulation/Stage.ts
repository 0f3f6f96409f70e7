/**
 * What a simulated life is played on: one world with its machines and taskmanagers, made and not started yet, its time,
 * and what is looked at while it passes.
 */
import { Context, Effect, Scope } from "effect"
import { defaultZone } from "../../src/services/Zones.ts"
import * as Dice from "./Dice.ts"
import * as Invariants from "./Invariants.ts"
import * as Machines from "./Machines.ts"
import { otherZone } from "./Requests.ts"
import * as Taskmanagers from "./Taskmanagers.ts"
import * as Universe from "./Universe.ts"
import { VirtualTime } from "./VirtualTime.ts"

/** Milliseconds of virtual time: time enough for every deadline and retry: a build's, what it made, and its delete. */
const patience = 40 * 60_000
/** How often what must always be true is looked at, and whether all has come to its end. */
const look = 2_000
/** What was asked of the store before all came to its end is answered within this: it takes 8 s at the most. */
const answered = 10_000

/** A message that a process has read is the engine's own for ten minutes, and so long after that it has ended. */
const claim = 13 * 60_000

export interface Cast {
  readonly machines: number
  readonly taskmanagers: number
}

export const open = async (seed: number, cast: Cast) => {
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
  const { witness, world } = universe
  const known = Context.merge(world, universe.references)
  /** Done in this world, by its own clock. */
  const inWorld = <A, E>(effect: Effect.Effect<A, E, Universe.Shared | Scope.Scope>) =>
    here(Effect.provideContext(effect, known))

  const hosts = [["host-a", defaultZone] as const, ["host-b", otherZone] as const].slice(0, cast.machines)
  const machines = await inWorld(
    Effect.forEach(hosts, ([name, zone], n) => Machines.make(universe, name, `10.${n + 1}.0.0/28`, zone))
  )
  const taskmanagers = Array.from({ length: cast.taskmanagers }, (_, n) =>
    Taskmanagers.make(universe, `taskmanager-${n + 1}`, n + 1)
  )
  const invariants = Invariants.make(universe, machines)

  /** Lets time pass until this moment of the life, or until something is wrong. */
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
      await until(time.elapsed + look)
      left = await inWorld(invariants.unsettled)
      if (left.length > 0) continue
      await until(time.elapsed + answered)
      left = await inWorld(invariants.unsettled)
    }
    for (const what of left)
      if (witness.violations.length === 0 || time.elapsed >= end) witness.wrong(`at last, ${what}`)
  }

  /** Until the engine has delivered again what it had claimed for processes that died, and that has ended. */
  const engineRests = async () => {
    const end = time.elapsed + claim
    while (time.elapsed < end && witness.violations.length === 0 && (await inWorld(invariants.engineKeeps)).length > 0)
      await until(time.elapsed + 10 * look)
  }

  return {
    universe,
    machines,
    inWorld,
    until,
    rest,
    engineRests,
    invariants,
    begin: () => {
      for (const { boot } of [...machines, ...taskmanagers]) universe.run(boot)
    },
    heal: () => {
      for (const { heal } of [...machines, ...taskmanagers]) universe.run(heal)
    }
  }
}

export type Stage = Awaited<ReturnType<typeof open>>

/**
 * One life: faults and requests for some minutes, then peace, in which everything has to come to rest; then everything
 * is deleted, and nothing may be left. The seed says it all: run again it is the very same life.
 */
import { Effect } from "effect"
import * as Clients from "./Clients.ts"
import * as Dice from "./Dice.ts"
import type { FaultKind } from "./Faults.ts"
import * as Stage from "./Stage.ts"
import type { Line } from "./Story.ts"

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
/** How often something may go wrong with a machine. */
const troubleInterval = 20_000

/** How a life went that was played there. */
export const verdictOf = (seed: number, { universe }: Stage.Stage): Verdict => ({
  seed,
  violations: universe.witness.violations,
  story: universe.story.lines,
  faults: universe.faults.counts,
  length: universe.time.elapsed
})

export const simulate = async (seed: number): Promise<Verdict> => {
  const dice = Dice.make(seed, "world")
  const stage = await Stage.open(seed, { machines: dice.between(1, 2), taskmanagers: dice.pick([1, 2, 2]) })
  const { heal, invariants, inWorld, machines, engineRests, rest, universe, until } = stage
  const { faults, story, time, witness } = universe
  const clients = await inWorld(Clients.make(universe))

  stage.begin()
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
  heal()
  await rest()
  if (witness.violations.length === 0) await inWorld(invariants.atRest)
  if (witness.violations.length > 0) return verdictOf(seed, stage)

  await inWorld(clients.removeAll)
  await rest()
  await engineRests()
  if (witness.violations.length === 0) await inWorld(Effect.andThen(invariants.atRest, invariants.atTheEnd))
  return verdictOf(seed, stage)
}

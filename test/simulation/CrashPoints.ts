/**
 * Where a process can be killed in an operation: right before each of its calls that has an effect, and right after. An
 * operation is played once to find them, and then once for each; it has to come to the same end.
 */
import * as Operations from "./Operations.ts"
import * as Stage from "./Stage.ts"
import { type Verdict, verdictOf } from "./simulate.ts"
import { idle } from "./Taskmanagers.ts"
import type { Call } from "./Universe.ts"

/** One process is killed at one call of one operation, and started again a moment later. */
export interface CrashPoint {
  readonly operation: string
  readonly process: Call["process"]
  /** The how-manieth call of this process it is. */
  readonly at: number
  readonly call: string
  readonly moment: "before" | "after"
  /** How the operation ends that nobody disturbs. */
  readonly end: string
}

/** What a guest host asks all the time, and what changes nothing. */
const looks =
  /^(GuestHosts\.(find|list)|GuestNotes\.(phase|order|stamp|release|logs|adminPassword)|DatabaseRuntime\.(list|status|logs)|KeptData\.room|LogFiles\.(extent|isLarge|read)|Datastore\.(ping|usedBytes|version|list|get))/

const hasEffect = ({ call, process }: Call) => !(process === "taskmanager" ? idle : looks).test(call)

/** Every life is of this seed. */
const seed = 1

/** Plays an operation; `atCall` sees each call with an effect from the moment in which the operation was asked for. */
const play = async (operation: string, atCall: (call: Call) => (() => void) | undefined) => {
  const story = Operations.stories.find((story) => story.operation === operation)
  if (story === undefined) throw new Error(`there is no ${operation}`)
  const stage = await Stage.open(seed, { machines: 1, taskmanagers: 1 })
  const { invariants, inWorld, rest, universe } = stage
  const { faults, hooks, witness } = universe
  faults.stop()
  stage.begin()
  const hands = await Operations.handsFor(stage)
  await story.before(hands)
  hooks.atCall = (call) => (hasEffect(call) ? atCall(call) : undefined)
  await story.act(hands)
  await rest()
  hooks.atCall = () => undefined
  const end = universe.story.lines.findLast(({ kind }) => kind === "life")?.text ?? "nothing happened"
  if (witness.violations.length === 0) await inWorld(invariants.atRest)
  return { stage, hands, end }
}

/** Plays the operation once, undisturbed: all the places at which a process can be killed in it. */
export const pointsOf = async (operation: string): Promise<ReadonlyArray<CrashPoint>> => {
  const calls: Array<Pick<CrashPoint, "process" | "at" | "call">> = []
  const counts = { taskmanager: 0, "guest host": 0 }
  const { end, stage } = await play(operation, ({ call, process }) => {
    calls.push({ process, at: counts[process]++, call })
    return undefined
  })
  const { violations } = stage.universe.witness
  if (violations.length > 0) throw new Error(`${operation}, undisturbed: ${violations.join("; ")}`)
  return calls.flatMap((call) => (["before", "after"] as const).map((moment) => ({ ...call, operation, moment, end })))
}

/** Plays the operation with the process killed at this point, and then deletes what there is. */
export const crashAt = async (point: CrashPoint): Promise<Verdict> => {
  let calls = 0
  let isStruck = false
  const { end, hands, stage } = await play(point.operation, ({ call, kill, process }) => {
    if (isStruck || process !== point.process || calls++ !== point.at) return undefined
    isStruck = true
    if (call !== point.call) stage.universe.witness.wrong(`${call} was called, and ${point.call} was meant`)
    if (point.moment === "after") return kill
    kill()
    return undefined
  })
  const { invariants, inWorld, rest, universe } = stage
  const { witness } = universe
  if (!isStruck) witness.wrong(`${point.call} was not called`)
  if (end !== point.end) witness.wrong(`it ended with "${end}", and undisturbed with "${point.end}"`)
  if (witness.violations.length > 0) return verdictOf(seed, stage)
  await hands.remove()
  await rest()
  if (witness.violations.length === 0) await inWorld(invariants.atRest)
  if (witness.violations.length === 0) await inWorld(invariants.atTheEnd)
  return verdictOf(seed, stage)
}

export const told = ({ call, moment, operation, process }: CrashPoint) =>
  `the ${process} is killed right ${moment} ${call} in ${operation}`

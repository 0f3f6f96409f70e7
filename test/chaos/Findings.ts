/** What may not be: looked for after each fault, and when everything was deleted. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { Schema } from "effect"
import { processesIn } from "../e2e/footprint.ts"
import type { Fleet } from "./Fleet.ts"
import { look } from "./Ledger.ts"
import type { Tenants } from "./Tenants.ts"
import { errorText } from "./wording.ts"

const sleep = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds))

/** A restart may wait for its guest for as long; so may the delete after it, then. */
const settleWithin = 300_000
const auditWithin = 90_000

const Step = Schema.Struct({
  instance: Schema.String,
  key: Schema.String,
  step: Schema.String,
  outcome: Schema.String,
  begun: Schema.Int
})
export type Step = typeof Step.Type
const Steps = Schema.decodeUnknownSync(Schema.Array(Step))
const Moves = Schema.decodeUnknownSync(
  Schema.Array(Schema.Struct({ instance: Schema.String, to: Schema.String, times: Schema.Int }))
)
const Counted = Schema.decodeUnknownSync(Schema.NonEmptyArray(Schema.Struct({ n: Schema.Int })))
const Names = Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ name: Schema.String })))
const Audit = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({
      audit: Schema.Struct({
        not_looked_at: Schema.Array(Schema.Struct({ place: Schema.String, reason: Schema.String })),
        findings: Schema.Array(
          Schema.Struct({ finding: Schema.String, resource: Schema.String, instance_id: Schema.String })
        )
      })
    })
  )
)

/** All lines about steps, oldest first. */
export const steps = async (fleet: Fleet) =>
  Steps(
    await fleet.sql(`SELECT instance, key, entry ->> 'step' AS step, entry ->> 'outcome' AS outcome,
      coalesce((entry ->> 'begun')::int, 1) AS begun FROM history WHERE entry ->> 'kind' = 'step' ORDER BY id`)
  )

const same = (one: Step, other: Step) => one.instance === other.instance && one.key === other.key

/** Which of those that were under way stand where they stood. */
export const standing = (before: ReadonlyArray<Step>, now: ReadonlyArray<Step>) =>
  before.filter(
    (step) =>
      step.outcome === "running" &&
      now.some((found) => same(step, found) && found.outcome === "running" && found.begun === step.begun)
  )

/** Steps that were done, after which another was begun, and that were begun again all the same. */
export const repeated = (before: ReadonlyArray<Step>, now: ReadonlyArray<Step>) => {
  const found = new Map(now.map((step) => [`${step.instance} ${step.key}`, step]))
  return before.flatMap((step, at) => {
    const isOver = before.slice(at + 1).some(({ instance }) => instance === step.instance)
    // The line of a wait is opened each time that its workflow is read again; it does nothing.
    if (step.outcome !== "done" || !isOver || step.step === "wait for the database") return []
    const later = found.get(`${step.instance} ${step.key}`)
    return later !== undefined && later.begun > step.begun
      ? [`"${step.step}" of ${step.instance} was done, and begun again`]
      : []
  })
}

export interface Settlement {
  readonly lost: ReadonlyArray<string>
  readonly failed: ReadonlyArray<string>
}

/** Waits until all that was accepted has come to rest, and says what did not, and what was done twice or never. */
export const settle = async (fleet: Fleet, tenants: Tenants, before: ReadonlyArray<Step>): Promise<Settlement> => {
  const lost: Array<string> = []
  const failed: Array<string> = []
  let waiting = tenants.entries.map((entry) => ({ entry, why: "" }))
  for (const deadline = Date.now() + settleWithin; waiting.length > 0; ) {
    const still: typeof waiting = []
    for (const { entry } of waiting) {
      const found = await look(entry)
      if (found.is === "gone" || found.is === "lost") forget(tenants, entry)
      if (found.is === "lost") lost.push(`${entry.name} (${entry.id}): ${found.why}`)
      if (found.is === "failed") failed.push(`${entry.name} (${entry.id}): ${found.fault}`)
      if (found.is === "waiting") still.push({ entry, why: found.why })
    }
    waiting = still
    if (Date.now() > deadline) break
    if (waiting.length > 0) await sleep(250)
  }
  for (const { entry, why } of waiting) {
    lost.push(`${entry.name} (${entry.id}): ${why}`)
    forget(tenants, entry)
  }
  lost.push(...repeated(before, await steps(fleet)), ...(await missingRestarts(fleet, tenants)))
  return { lost, failed }
}

const forget = ({ entries }: Tenants, entry: Tenants["entries"][number]) => {
  const at = entries.indexOf(entry)
  if (at >= 0) entries.splice(at, 1)
}

/** What is in service was built once, and restarted as often as that was accepted. */
const missingRestarts = async (fleet: Fleet, { entries }: Tenants) => {
  const moves = Moves(
    await fleet.sql(`SELECT instance, entry ->> 'to' AS to, count(*)::int AS times FROM history
      WHERE entry ->> 'kind' = 'transition' GROUP BY 1, 2`)
  )
  return entries.flatMap(({ fault, id, name, perhaps, restarts }) => {
    if (id === null || fault !== null) return []
    const times = (to: string) => moves.find((move) => move.instance === id && move.to === to)?.times ?? 0
    const [built, restarted] = [times("Building"), times("Restarting")]
    return [
      ...(built === 1 ? [] : [`${name} (${id}) was built ${built} times`]),
      ...(restarted >= restarts && restarted <= restarts + perhaps
        ? []
        : [`${name} (${id}) was restarted ${restarted} times, which was accepted ${restarts} times`])
    ]
  })
}

/** The restarts that failed since then, with what their tenants are told of it in the history. */
export const failedRestarts = async (fleet: Fleet, since: number): Promise<ReadonlyArray<string>> =>
  Names(
    await fleet.sql(`SELECT 'a restart of ' || instance || ': ' || (entry ->> 'because') AS name FROM history
      WHERE id > ${since} AND entry ->> 'kind' = 'transition' AND entry ->> 'from' = 'Restarting'
        AND entry ->> 'to' = 'Active' AND entry ->> 'because' <> 'the database was restarted' ORDER BY id`)
  ).map(({ name }) => name)

/** The last line of all histories, for `failedRestarts`. */
export const lastLine = async (fleet: Fleet) =>
  Counted(await fleet.sql("SELECT coalesce(max(id), 0)::int AS n FROM history"))[0].n

/** What an audit finds, asked again while it cannot look everywhere. */
export const audit = async (fleet: Fleet): Promise<ReadonlyArray<string>> => {
  let said = ""
  for (const deadline = Date.now() + auditWithin; Date.now() < deadline; ) {
    const { answer, code, output } = await fleet.end("audit", "--json")
    if (code === 0 || code === 1) {
      return Audit(answer).audit.findings.map((one) => `${one.finding} ${one.resource} of ${one.instance_id}`)
    }
    said = errorText(output)
    await sleep(1000)
  }
  return [`the audit could not look everywhere: ${said}`]
}

/** What is there though everything was deleted, as anybody sees it from outside. */
export const leftBehind = async (fleet: Fleet): Promise<ReadonlyArray<string>> => {
  const left = [...(await audit(fleet))]
  for (const { name } of Names(await fleet.sql("SELECT address || ' of ' || instance AS name FROM addresses"))) {
    left.push(`the address ${name}`)
  }
  for (const { data, name } of fleet.hosts) {
    const instances = join(data, "instances")
    for (const home of readdirSync(instances)) left.push(`the home ${home} on ${name}`)
    for (const { args, pid } of processesIn(instances)) left.push(`the process ${pid} on ${name}: ${args.join(" ")}`)
  }
  for (const path of ["/users", "/queues/%2F", "/exchanges/%2F"]) {
    for (const { name } of Names(await fleet.askBroker(path))) {
      if (/^guest(agent\.|-)/.test(name)) left.push(`at the broker ${name}`)
    }
  }
  if ("containers" in fleet.engine) {
    for (const container of await fleet.engine.containers()) left.push(`the container ${container}`)
  }
  return left
}

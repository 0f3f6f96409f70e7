/** `npm run chaos`: an installation under load, one fault after the other, and a table at the end. */
import { writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { commandLine } from "../kit/CommandLine.ts"
import * as Dices from "../simulation/Dice.ts"
import { missingBroker } from "../support/rabbitmq.ts"
import { Fleet } from "./Fleet.ts"
import { all } from "./faults/all.ts"
import { cleanUp, populate, type Result, runFault } from "./Round.ts"
import { Tenants } from "./Tenants.ts"
import { legend, table } from "./table.ts"
import { errorText, seconds } from "./wording.ts"

const help = `npm run chaos -- [--rounds N] [--only KIND] [--seed S]

Starts an installation (RabbitMQ, PostgreSQL, nine processes of Coffer, databases as processes and as containers), has
tenants at work there, and does to it everything that can go wrong, once a round. Wants root, for namespaces and disks.

  --rounds N    how many rounds, 1 unless told
  --only KIND   only faults whose name holds this; once more for others:
${all.map(({ kind }) => `                  ${kind}`).join("\n")}
  --seed S      of the dice that tenants and faults throw; told at the start
  --help        this

Exit code 0 when nothing was lost or left over, 1 when something was, 2 when it was asked for something else.`

const { parse, refuse, whole } = commandLine("chaos", help)

const flags = parse(
  () =>
    parseArgs({
      options: {
        rounds: { type: "string", default: "1" },
        only: { type: "string", multiple: true, default: [] },
        seed: { type: "string", default: String(Date.now() % 1_000_000) },
        help: { type: "boolean", default: false }
      }
    }).values
)
const rounds = whole("rounds", flags.rounds, 1)
const seed = whole("seed", flags.seed, 0)
const faults = all.filter(({ kind }) => flags.only.length === 0 || flags.only.some((part) => kind.includes(part)))
if (faults.length === 0) refuse(`--only ${flags.only.join(" ")} names no fault`)
if (missingBroker !== null) refuse(missingBroker)

const began = performance.now()
const tell = (line: string) => console.error(`${seconds(performance.now() - began).padStart(9)}  ${line}`)

const fleet = new Fleet()
const results: Array<Result> = []
const showTable = () => console.log(`\n${legend}\n\n${table(fleet, faults, results)}`)

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    if (results.length > 0) showTable()
    tell("takes everything away")
    // Who is asked once more ends at once: what ends with us, and what the exit can take away, goes then, too.
    process.once(signal, () => process.exit(130))
    fleet.dispose().finally(() => process.exit(130))
  })
}

const report = (result: Result) => {
  results.push(result)
  const { failed, kind, left, lost, recovered, what } = result
  tell(`${kind}${what === "" ? "" : `: ${what}`}${recovered === null ? "" : `; recovered in ${seconds(recovered)}`}`)
  for (const line of lost) tell(`  LOST ${line}`)
  for (const line of left) tell(`  LEFT OVER ${line}`)
  for (const line of failed) tell(`  failed: ${line}`)
}

try {
  tell(`seed ${seed}`)
  await fleet.start("whole", tell)
  const tenants = new Tenants(fleet, seed)
  await populate(tenants)
  const dice = Dices.make(seed, "faults")
  for (let round = 1; round <= rounds; round++) {
    tell(`round ${round} of ${rounds}`)
    for (const fault of faults) {
      if (fault.obstacle(fleet) === null) report(await runFault(fleet, tenants, dice, fault))
    }
  }
  report(await cleanUp(fleet))
  showTable()
  const { create, delete: removed, restart } = tenants.asked
  console.log(
    `\nMeanwhile tenants had ${create} orders, ${restart} restarts and ${removed} deletes accepted. Seed ${seed}.`
  )
} catch (error) {
  tell(`it could not go on: ${error instanceof Error ? error.stack : errorText(error)}`)
  process.exitCode = 1
} finally {
  if (results.some(({ left, lost }) => left.length + lost.length > 0)) process.exitCode = 1
  if (process.exitCode === 1) {
    const file = join(tmpdir(), `coffer-chaos-${seed}.log`)
    writeFileSync(file, fleet.logs(), { mode: 0o600 })
    tell(`what the processes logged: ${file}`)
  }
  await fleet.dispose()
}

/** `npm run simulate`: lives by seed, until there are no more seeds or somebody presses Ctrl-C. */
import { parseArgs } from "node:util"
import { commandLine } from "../kit/CommandLine.ts"
import { type FaultKind, kinds } from "./Faults.ts"
import { print } from "./Story.ts"
import type { Verdict } from "./simulate.ts"
import { runLives } from "./Threads.ts"

const help = `npm run simulate -- [--seeds N] [--seed S] [--first]

Runs the control plane on virtual time with faults by seed, and looks for what must never be.

  --seeds N   how many seeds; without it there is no end
  --seed S    the first seed, 1 unless told; alone, with --seeds 1, it shows one life again
  --first     stop at the first seed that fails
  --help      this

Exit code 0 when all was well, 1 when a seed failed, 2 when it was asked for something else.`

/** The most that a seed can be. */
const maxSeed = 2 ** 31 - 1

const { parse, whole } = commandLine("simulate", help)

const flags = parse(
  () =>
    parseArgs({
      options: {
        seeds: { type: "string" },
        seed: { type: "string" },
        first: { type: "boolean", default: false },
        help: { type: "boolean", default: false }
      }
    }).values
)
const first = flags.seed === undefined ? 1 : whole("seed", flags.seed, 0, maxSeed)
const count = flags.seeds === undefined ? Number.POSITIVE_INFINITY : whole("seeds", flags.seeds, 1, maxSeed)

function* seeds() {
  for (let seed = first; seed < first + count && seed <= maxSeed; seed++) yield seed
}

const failed: Array<Verdict> = []
const faults = new Map<FaultKind, number>()
let done = 0
let virtual = 0
let stopped = false
const began = performance.now()
const seconds = () => (performance.now() - began) / 1000
const progress = () => {
  const rate = done / seconds()
  const of = Number.isFinite(count) ? ` of ${count}` : ""
  return `${done}${of} seeds, ${failed.length} failed, ${rate.toFixed(1)} a second, ${(virtual / 3_600_000).toFixed(1)} virtual hours`
}
const show = () => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${progress()}`)
  else if (done % 100 === 0) console.error(progress())
}

process.on("SIGINT", () => {
  if (stopped) process.exit(130)
  stopped = true
})

await runLives({
  lives: seeds(),
  threads: Math.min(count, 2),
  onVerdict: (verdict) => {
    done++
    virtual += verdict.length
    for (const [kind, times] of verdict.faults) faults.set(kind, (faults.get(kind) ?? 0) + times)
    if (verdict.violations.length > 0) failed.push(verdict)
    show()
    return !stopped && !(flags.first && failed.length > 0)
  }
})
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K")
console.log(`${progress()}, ${seconds().toFixed(0)} s`)
for (const kind of kinds) console.log(`  ${String(faults.get(kind) ?? 0).padStart(7)}  ${kind}`)

failed.sort((one, other) => one.seed - other.seed)
const [told, ...others] = failed
if (told !== undefined) {
  process.exitCode = 1
  console.log(`\nseed ${told.seed}\n${print(told.story)}`)
  for (const { seed, violations } of [told, ...others]) {
    console.log(`\nseed ${seed} failed; again: npm run simulate -- --seeds 1 --seed ${seed}`)
    for (const violation of violations) console.log(`  ${violation}`)
  }
}

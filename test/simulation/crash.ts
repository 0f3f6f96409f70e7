/**
 * `node test/simulation/crash.ts [OPERATION]`: kills a process at each single call of an operation, or of all, until a
 * point fails. Exit code 0 when all was well, 1 when a point failed, 2 when there is no such operation.
 */
import { type CrashPoint, pointsOf, told } from "./CrashPoints.ts"
import { stories } from "./Operations.ts"
import { print } from "./Story.ts"
import { runLives } from "./Threads.ts"

const [, , wanted] = process.argv
const operations = stories.map(({ operation }) => operation)
if (wanted !== undefined && !operations.includes(wanted)) {
  console.error(`crash: there is no operation ${JSON.stringify(wanted)}; there are: ${operations.join(", ")}`)
  process.exit(2)
}

const points: Array<CrashPoint> = []
for (const operation of wanted === undefined ? operations : [wanted]) points.push(...(await pointsOf(operation)))

let played = 0
let failed = 0
await runLives({
  lives: points,
  threads: 2,
  onVerdict: ({ story, violations }, point) => {
    played++
    if (violations.length === 0) return true
    if (failed++ === 0) {
      process.exitCode = 1
      console.log(`${print(story)}\n\npoint failed: ${told(point)}`)
      for (const violation of violations) console.log(`  ${violation}`)
    }
    return false
  }
})
console.log(`${played} of ${points.length} points, ${failed} failed`)

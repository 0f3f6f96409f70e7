/** A process is killed at each single call of each operation that has an effect, right before it and right after. */
import { describe, expect, it } from "vitest"
import { type CrashPoint, pointsOf, told } from "./CrashPoints.ts"
import { stories } from "./Operations.ts"
import { print } from "./Story.ts"
import type { Verdict } from "./simulate.ts"
import { runLives } from "./Threads.ts"

const points: Array<CrashPoint> = []
for (const { operation } of stories) points.push(...(await pointsOf(operation)))

/** How many failures are told with their story. */
const maxTold = 3

const inWords = ([point, verdict]: readonly [CrashPoint, Verdict]) =>
  `${told(point)}: ${verdict.violations.join("; ")}\n${print(verdict.story)}`

describe("a process that is killed", () => {
  it(`at any of ${points.length} points of ${stories.length} operations changes no end and leaves nothing`, {
    timeout: 600_000
  }, async () => {
    const failed: Array<readonly [CrashPoint, Verdict]> = []
    let played = 0
    await runLives({
      lives: points,
      threads: 2,
      onVerdict: (verdict, point) => {
        played++
        if (verdict.violations.length > 0) failed.push([point, verdict])
        return failed.length < maxTold
      }
    })
    expect(failed.map(inWords).join("\n\n")).toBe("")
    expect(played).toBe(points.length)
  })

  it.each(stories)("has many points of $operation to be killed at", ({ operation }) => {
    const mine = points.filter((point) => point.operation === operation)
    expect(mine.length).toBeGreaterThan(40)
    expect(mine.some(({ call }) => call === "Lifecycles.commit")).toBe(true)
  })
})

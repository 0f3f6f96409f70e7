/** Lives by seed: a range that is always run, and every seed that ever showed a bug. */
import { describe, expect, it } from "vitest"
import { print } from "./Story.ts"
import { simulate, type Verdict } from "./simulate.ts"
import { runLives } from "./Threads.ts"

/** How many seeds are run each time. More are run by `npm run simulate`. */
const range = 1000

/** Milliseconds: a machine that has much else to do is no failure. */
const patience = 120_000

/** Seeds that have shown a bug: see docs/found-by-simulation.md. */
const found: ReadonlyArray<readonly [seed: number, what: string]> = [
  [1, "the end of a step that the store did not hear of"],
  [19, "a shard whose messages were not given back, for the engine's tables failed"],
  [24, "a build that was called off, and finished by who had not heard of it"],
  [35, "a process that died while it took something back"],
  [83, "a guest's access that was given by who was late"],
  [84, "a build that goes well, taken back for a statement of the engine's that failed"],
  [106, "a server that was made again by who was late"],
  [111, "a delete that ended before all was gone, for a statement of the engine's that failed"],
  [167, "a build that one process took back and another finished"],
  [168, "an address that was taken by who was late"],
  [195, "a server and its access, both by who was late"],
  [249, "a delete that waits for a build that nobody remembers"],
  [555, "a line that the store did not take, of an operation that ended well"],
  [637, "a server that who was late must not take back, for another process had finished its build"],
  [2639, "a build anew that believed the guest of the build before"],
  [6133, "the same"],
  [6695, "a delete that was called off, and over while what it had called off went on"]
]

const told = ({ seed, story, violations }: Verdict) =>
  `seed ${seed}: ${violations.join("; ")}\nnpm run simulate -- --seeds 1 --seed ${seed}\n${print(story)}`

describe("a simulated life", () => {
  it("is the very same for the same seed", { timeout: patience }, async () => {
    for (const seed of [7, 11]) {
      const [one, other] = [await simulate(seed), await simulate(seed)]
      expect(other).toEqual(one)
      expect(one.story.length).toBeGreaterThan(20)
    }
    expect((await simulate(12)).story).not.toEqual((await simulate(13)).story)
  })

  it.each(found)("of seed %i goes well: %s", { timeout: patience }, async (seed) => {
    const verdict = await simulate(seed)
    expect(verdict.violations.length === 0 ? "" : told(verdict)).toBe("")
  })

  it(`comes to rest and leaves nothing, for the first ${range} seeds`, { timeout: 5 * patience }, async () => {
    const failed: Array<Verdict> = []
    await runLives({
      lives: Array.from({ length: range }, (_, n) => n + 1),
      threads: 2,
      onVerdict: (verdict) => {
        if (verdict.violations.length > 0) failed.push(verdict)
        return failed.length === 0
      }
    })
    expect(failed.map(told).join("\n\n")).toBe("")
  })
})

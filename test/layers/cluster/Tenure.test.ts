/** When a process that stood still ends, and when it does not. */
import { Duration } from "effect"
import { describe, expect, it } from "vitest"
import { lease } from "../../../src/layers/cluster/Lease.ts"
import * as Tenure from "../../../src/layers/cluster/Tenure.ts"

const past = Duration.toMillis(lease) + 1

const world = () => {
  const moment = { steady: 0, wall: 1_000_000 }
  const left: Array<string> = []
  const tenure = Tenure.make({ now: () => ({ ...moment }), leave: (reason) => void left.push(reason) })
  /** Time passes, and nothing of the process runs. */
  const still = (millis: number, clock: "both" | "wall" = "both") => {
    moment.wall += millis
    if (clock === "both") moment.steady += millis
  }
  /** Time passes for a process that runs. */
  const running = (millis: number) => {
    for (let passed = 0; passed < millis; passed += 250) {
      still(250)
      tenure.onTick()
    }
  }
  return { tenure, left, still, running, renew: () => tenure.renewing()(1) }
}

describe("a taskmanager", () => {
  it("that stood still past its lease ends before whatever it does next", () => {
    const { left, renew, still, tenure } = world()
    renew()
    still(past)
    tenure.check()
    expect(left).toEqual([expect.stringMatching(/stood still for 9 s, and its lease of 9s has run out/)])
  })

  it("ends by itself when it has nothing to do", () => {
    const { left, renew, still, tenure } = world()
    renew()
    still(past)
    tenure.onTick()
    expect(left).toHaveLength(1)
  })

  it("whose machine was paused, so that one of its clocks stood, ends as well", () => {
    const { left, renew, still, tenure } = world()
    renew()
    still(past, "wall")
    tenure.check()
    expect(left).toHaveLength(1)
  })

  it("counts its lease from when it asked, not from when it was answered", () => {
    const { left, running, still, tenure } = world()
    const renewed = tenure.renewing()
    running(3000)
    renewed(1)
    still(past - 3000)
    tenure.check()
    expect(left).toHaveLength(1)
  })

  it("that stood still for less goes on", () => {
    const { left, renew, still, tenure } = world()
    renew()
    still(past - 2)
    tenure.check()
    expect(left).toEqual([])
  })

  it("that runs, and cannot renew, stays: the database may be away for everybody", () => {
    const { left, renew, running, tenure } = world()
    renew()
    running(10 * past)
    tenure.check()
    expect(left).toEqual([])
  })

  it("that never had anything has nothing to lose", () => {
    const { left, still, tenure } = world()
    still(past)
    tenure.check()
    expect(left).toEqual([])
  })
})

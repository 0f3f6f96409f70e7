/** That a message is handled once, however often it comes, and again when it was not handled after all. */
import { assert, it } from "@effect/vitest"
import { Repeats } from "../../../src/layers/fabric/Repeats.ts"

/** Every copy of a message, and what it was told. */
const copies = (repeats: Repeats, id: string) => {
  const told: Array<boolean | "new" | "done"> = []
  const come = () => {
    const seen = repeats.see(id)
    if (seen._tag === "InHand") seen.whenOver((isDone) => told.push(isDone))
    else told.push(seen._tag === "New" ? "new" : "done")
  }
  return { come, told }
}

it("the copies of a message that is in hand end as it does, and later ones are known", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  come()
  assert.deepStrictEqual(told, ["new"])
  repeats.over("a", true)
  assert.deepStrictEqual(told, ["new", true, true])
  come()
  assert.deepStrictEqual(told, ["new", true, true, "done"])
})

it("a message that was not handled after all is new when it comes again, and so are its copies", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  repeats.over("a", false)
  come()
  assert.deepStrictEqual(told, ["new", false, "new"])
})

it("copies on a channel that is gone are told nothing, for they come again", () => {
  const repeats = new Repeats()
  const { come, told } = copies(repeats, "a")
  come()
  come()
  repeats.forgetWaiting()
  come()
  repeats.over("a", true)
  assert.deepStrictEqual(told, ["new", true])
})

it("the oldest are forgotten first, and what was never begun cannot end", () => {
  const repeats = new Repeats()
  repeats.over("never", true)
  assert.strictEqual(repeats.see("never")._tag, "New")
  for (let n = 0; n <= 4096; n++) {
    repeats.see(`${n}`)
    repeats.over(`${n}`, true)
  }
  assert.strictEqual(repeats.see("0")._tag, "New")
  assert.strictEqual(repeats.see("1")._tag, "Done")
  assert.strictEqual(repeats.see("4096")._tag, "Done")
})

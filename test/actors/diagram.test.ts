import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import { diagram } from "../../scripts/lifecycle-diagram.ts"

it("the diagram in the docs is the machine's (else: node scripts/lifecycle-diagram.ts > docs/lifecycle.md)", () => {
  expect(readFileSync(new URL("../../docs/lifecycle.md", import.meta.url), "utf8")).toBe(diagram())
})

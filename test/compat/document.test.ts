import { readFileSync } from "node:fs"
import { expect, it } from "@effect/vitest"
import { document } from "../../scripts/compatibility.ts"

it("the page in the docs is up to date (else: node scripts/compatibility.ts > docs/compatibility.md)", () => {
  expect(readFileSync(new URL("../../docs/compatibility.md", import.meta.url), "utf8")).toBe(document())
})

/** A new file: every setting with what it is, what must be secret drawn fresh, and the rest for its reader to fill in. */
import { randomBytes } from "node:crypto"
import { sections, settings } from "./settings.ts"
import { toml } from "./toml.ts"

/** What is drawn, by setting. */
const drawn = (): ReadonlyMap<string, unknown> =>
  new Map<string, unknown>([
    ["secrets.key", randomBytes(32).toString("base64")],
    ["api.tokens", [{ token: randomBytes(24).toString("base64url"), project: "demo", user: "admin", admin: true }]]
  ])

const opening = `# Coffer's configuration. Each setting that is commented out shows its default, or an example where it has none.
# COFFER_<SECTION>_<SETTING> in the environment overrides a setting. Check it with: coffer config check --role api
# It holds secrets: let nobody read it but the user that Coffer runs as.
`

/** Every call draws anew. */
export const template = (): string => {
  const fresh = drawn()
  const parts = sections.map((section) => {
    const lines = settings
      .filter((setting) => setting.section === section)
      .map(({ default: otherwise, description, example, key, name }) => {
        const kind = otherwise === undefined ? "Example" : "Default"
        const line = fresh.has(name)
          ? `${key} = ${toml(fresh.get(name))}`
          : `# ${kind}:\n# ${key} = ${toml(otherwise ?? example)}`
        return `# ${description}.\n${line}\n`
      })
    return `[${section}]\n${lines.join("\n")}`
  })
  return `${opening}\n${parts.join("\n")}`
}

/** Values as a TOML file writes them, each on one line. */

/** JSON's texts are TOML's. What a terminal would obey is escaped, too. */
const json = (value: unknown) =>
  JSON.stringify(value).replace(/\p{Cc}/gu, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

const bareKey = /^[A-Za-z0-9_-]+$/

export const toml = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`
  if (typeof value !== "object" || value === null) return json(value)
  const entries = Object.entries(value).map(([key, inner]) => `${bareKey.test(key) ? key : json(key)} = ${toml(inner)}`)
  return `{ ${entries.join(", ")} }`
}

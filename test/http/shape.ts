/** The shape of a JSON value: which keys, of which types. Two answers of one shape read alike to a client. */
export const shape = (value: unknown): unknown => {
  if (value === null) return "null"
  if (Array.isArray(value)) return value.length === 0 ? [] : [shape(value[0])]
  if (typeof value === "object")
    return Object.fromEntries(
      Object.entries(value)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, inner]) => [key, shape(inner)])
    )
  return typeof value
}

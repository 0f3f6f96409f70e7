/** Why a file could not be read, after its name. */
const reasons: Readonly<Record<string, string>> = {
  ENOENT: "is not there",
  EACCES: "may not be read by this user",
  EISDIR: "is a folder"
}

export const whyUnread = (error: unknown): string => {
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return reasons[code] ?? `cannot be read (${code})`
}

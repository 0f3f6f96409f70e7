/** What memory a process takes when its garbage is gone, in bytes. It must be started with `--expose-gc`. */
export const memory = async () => {
  for (let n = 0; n < 4; n++) {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" })
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed + external, rss }
}

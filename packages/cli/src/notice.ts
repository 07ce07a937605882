/** Tells a person at a terminal what is being waited for, once it takes longer than a second. */

const patienceMs = 1000;

export async function withNotice<T>(text: string, work: Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY) return work;
  let isShown = false;
  const timer = setTimeout(() => {
    isShown = true;
    stderr.write(`atoll: ${text} ...`);
  }, patienceMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
    if (isShown) stderr.write("\r\x1b[K");
  }
}

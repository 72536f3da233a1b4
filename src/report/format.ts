const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** "1.50 GiB"; whole bytes below 1 KiB. */
export function formatBytes(byteCount: number): string {
  let value = byteCount;
  let unit = 0;
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)} ${BYTE_UNITS[unit]}`;
}

/** "812 MB/s": decimal, as links are rated. */
export function formatRate(bytesPerSecond: number): string {
  return `${(bytesPerSecond / 1e6).toFixed(bytesPerSecond < 1e7 ? 1 : 0)} MB/s`;
}

/** "12.3 ms", or "4.56 s" from one second up. */
export function formatMs(milliseconds: number): string {
  return milliseconds < 1000
    ? `${milliseconds.toFixed(1)} ms`
    : `${(milliseconds / 1000).toFixed(2)} s`;
}

/** "262,144". */
export function formatCount(count: number | bigint): string {
  return count.toLocaleString("en-US");
}

export const ABI_VERSION: u32 = 1;

/*
 * The only program of a guest: no C library, no file system, no device.
 *
 * It fills a region of memory with a pattern that depends on a seed, then
 * keeps rewriting a part of it while saying on the console that it is alive
 * and that what it does not rewrite is still what it wrote at first.  A guest
 * that was saved and restored correctly goes on counting with "pattern ok".
 *
 * Settings come on the kernel's command line (unknown NAME=VALUE words become
 * init's environment):
 *   pat=N     pages of constant pattern       (default 1024)
 *   seed=N    seed of the pattern             (default 1)
 *   ws=N      pages rewritten each round      (default 64)
 *   period=N  milliseconds between rounds     (default 100)
 *   noise=1   rewritten pages are full of noise rather than one counter
 */
typedef unsigned long u64;
typedef unsigned char u8;

static long sys6(long n, long a, long b, long c, long d, long e, long f)
{
    long r;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}
#define SYS_write 1
#define SYS_mmap 9
#define SYS_nanosleep 35
#define SYS_clock_gettime 228

static void put(const char *s)
{
    u64 n = 0;
    while (s[n])
        n++;
    sys6(SYS_write, 1, (long)s, n, 0, 0, 0);
}

static char *dec(char *p, u64 v)
{
    char t[24];
    int n = 0;
    do {
        t[n++] = '0' + v % 10;
        v /= 10;
    } while (v);
    while (n)
        *p++ = t[--n];
    return p;
}

static char *cat(char *p, const char *s)
{
    while (*s)
        *p++ = *s++;
    return p;
}

static u64 setting(char **env, const char *name, u64 fallback)
{
    for (; *env; env++) {
        const char *e = *env, *n = name;
        while (*n && *e == *n)
            e++, n++;
        if (!*n && *e == '=') {
            u64 v = 0;
            for (e++; *e >= '0' && *e <= '9'; e++)
                v = v * 10 + (u64)(*e - '0');
            return v;
        }
    }
    return fallback;
}

static u64 mix(u64 x)
{
    x += 0x9e3779b97f4a7c15ul;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ul;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebul;
    return x ^ (x >> 31);
}

#define WORDS 512ul

__attribute__((used)) static void run(long *sp)
{
    char **env = (char **)(sp + 1 + sp[0] + 1);
    u64 pat = setting(env, "pat", 1024), seed = setting(env, "seed", 1);
    u64 ws = setting(env, "ws", 64), period = setting(env, "period", 100);
    u64 noise = setting(env, "noise", 0);
    u64 *mem = (u64 *)sys6(SYS_mmap, 0, (pat + ws) * 4096, 3, 0x22, -1, 0);
    u64 round = 0, shown = ~0ul, page, i;
    char line[160], *p;

    if ((u64)mem > -4096ul) {
        put("guest: no memory\n");
        for (;;)
            sys6(34 /* pause */, 0, 0, 0, 0, 0, 0);
    }
    for (page = 0; page < pat; page++) {
        u64 v = mix(seed * 1000003 + page);
        for (i = 0; i < WORDS; i++)
            mem[page * WORDS + i] = v;
    }
    put("guest: ready\n");
    for (;; round++) {
        u64 bad = 0, ts[2];
        for (page = pat; page < pat + ws; page++) {
            if (noise)
                for (i = 0; i < WORDS; i++)
                    mem[page * WORDS + i] = mix(round * 7919 + page * WORDS + i);
            else
                mem[page * WORDS + (round % WORDS)] = round;
        }
        sys6(SYS_clock_gettime, 1, (long)ts, 0, 0, 0, 0);
        if (ts[0] != shown) {
            shown = ts[0];
            for (page = 0; page < pat; page++) {
                u64 v = mix(seed * 1000003 + page);
                if (mem[page * WORDS] != v || mem[page * WORDS + WORDS - 1] != v)
                    bad++;
            }
            p = cat(line, "guest: seed ");
            p = dec(p, seed);
            p = cat(p, " up ");
            p = dec(p, ts[0]);
            p = cat(p, " round ");
            p = dec(p, round);
            p = cat(p, bad ? " PATTERN BAD " : " pattern ok ");
            p = dec(p, bad ? bad : pat);
            p = cat(p, "\n");
            *p = 0;
            put(line);
        }
        if (period) {
            u64 t[2] = { period / 1000, (period % 1000) * 1000000 };
            sys6(SYS_nanosleep, (long)t, 0, 0, 0, 0, 0);
        }
    }
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall run\n\thlt\n");

/*
 * A 32-bit (PAE) paravirtual guest in one file: no Linux has been one since
 * 5.9, and a migration stream of one is wanted.
 *
 * It rewrites part of its memory, checks the rest, says so on its console, and
 * looks in xenstore every round for a request to suspend.  On one it does what
 * a PV guest owes its saver: turn the two ring frames in its start info into
 * pseudo-physical ones, let go of the shared info page, suspend with the frame
 * of the start info as third argument, and afterwards map the shared info page
 * again and publish the tree of its physical-to-machine table.
 */
#define __XEN_INTERFACE_VERSION__ 0x00040d00
#include <stdint.h>
#include <stddef.h>
#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/io/xs_wire.h>

#define VIRT_BASE 0xC0000000u
#define PAGE 4096u
#define PATTERN_PAGES 256u
#define WORK_PAGES 32u

extern char hypercall_page[];
static char shared_page[PAGE] __attribute__((aligned(4096)));
static uint32_t list_list[1024] __attribute__((aligned(4096)));
static uint32_t list[1024] __attribute__((aligned(4096)));
static uint32_t memory[(PATTERN_PAGES + WORK_PAGES) * 1024] __attribute__((aligned(4096)));
static start_info_t *si;
static uint32_t seed = 4;

#define barrier() __asm__ volatile("" ::: "memory")
#define mb() __sync_synchronize()

static int hypercall(unsigned nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    int r;
    void *target = hypercall_page + nr * 32;
    __asm__ volatile("call *%[t]"
                     : "=a"(r), "+b"(a), "+c"(b), "+d"(c), "+S"(d)
                     : [t] "0"(target)
                     : "memory", "edi");
    return r;
}

static shared_info_t *shared(void) { return (shared_info_t *)shared_page; }
static uint32_t pfn_of(void *va) { return ((uint32_t)va - VIRT_BASE) / PAGE; }
static uint32_t mfn_of(void *va) { return ((uint32_t *)si->mfn_list)[pfn_of(va)]; }

static uint32_t pfn_of_mfn(uint32_t mfn)
{
    uint32_t pfn;
    for (pfn = 0; pfn < si->nr_pages; pfn++)
        if (((uint32_t *)si->mfn_list)[pfn] == mfn)
            return pfn;
    return 0;
}

static void *va_of_mfn(uint32_t mfn)
{
    uint32_t pfn = pfn_of_mfn(mfn);
    return pfn ? (void *)(VIRT_BASE + pfn * PAGE) : NULL;
}

static void map_shared(uint64_t machine)
{
    uint64_t pte = machine | 0x67;      /* present, rw, user, accessed, dirty */
    hypercall(__HYPERVISOR_update_va_mapping, (uint32_t)shared_page, (uint32_t)pte,
              (uint32_t)(pte >> 32), UVMF_INVLPG);
}

static void connect(void)
{
    uint32_t i, pages = (si->nr_pages + 1023) / 1024;
    map_shared(si->shared_info);
    for (i = 0; i < 1024; i++)
        list[i] = list_list[i] = 0;
    for (i = 0; i < pages; i++)
        list[i] = mfn_of((char *)si->mfn_list + i * PAGE);
    list_list[0] = mfn_of(list);
    shared()->arch.max_pfn = si->nr_pages;
    shared()->arch.pfn_to_mfn_frame_list_list = mfn_of(list_list);
}

static void notify(uint32_t port)
{
    struct evtchn_send send = { .port = port };
    hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uint32_t)&send, 0, 0);
}

static uint64_t now(void)
{
    struct vcpu_time_info *t = &shared()->vcpu_info[0].time;
    uint32_t version, lo, hi, mul;
    uint64_t delta, base;
    do {
        version = t->version & ~1u;
        barrier();
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
        delta = (((uint64_t)hi << 32) | lo) - t->tsc_timestamp;
        if (t->tsc_shift >= 0)
            delta <<= t->tsc_shift;
        else
            delta >>= -t->tsc_shift;
        mul = t->tsc_to_system_mul;
        delta = (((delta & 0xffffffffu) * mul) >> 32) + (delta >> 32) * mul;
        base = t->system_time;
        barrier();
    } while (t->version != version);
    return base + delta;
}

/* Sleep until the port has an event or the time is over. */
static void wait_port(evtchn_port_t port, uint32_t milliseconds)
{
    struct sched_poll poll = { .nr_ports = 1, .timeout = now() + milliseconds * 1000000ull };
    set_xen_guest_handle(poll.ports, &port);
    hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uint32_t)&poll, 0, 0);
    __sync_fetch_and_and(&shared()->evtchn_pending[port / 32], ~(1u << (port % 32)));
}

static void put(const char *s)
{
    struct xencons_interface *ring = va_of_mfn(si->console.domU.mfn);
    XENCONS_RING_IDX prod;
    if (!ring)
        return;
    prod = ring->out_prod;
    for (; *s; s++) {
        while (prod - ring->out_cons >= sizeof(ring->out)) {
            mb();
            ring->out_prod = prod;
            notify(si->console.domU.evtchn);
            wait_port(si->console.domU.evtchn, 20);
        }
        ring->out[MASK_XENCONS_IDX(prod++, ring->out)] = *s;
    }
    mb();
    ring->out_prod = prod;
    notify(si->console.domU.evtchn);
}

static void xs_put(struct xenstore_domain_interface *x, const void *data, uint32_t len)
{
    const char *p = data;
    XENSTORE_RING_IDX prod = x->req_prod;
    while (len--)
        x->req[MASK_XENSTORE_IDX(prod++)] = *p++;
    mb();
    x->req_prod = prod;
}

static void xs_get(struct xenstore_domain_interface *x, void *data, uint32_t len)
{
    char *p = data;
    while (len--) {
        while (x->rsp_cons == x->rsp_prod)
            wait_port(si->store_evtchn, 50);
        mb();
        *p++ = x->rsp[MASK_XENSTORE_IDX(x->rsp_cons)];
        mb();
        x->rsp_cons++;
    }
    notify(si->store_evtchn);
}

/* One request; the answer's type is returned, its first bytes are in reply. */
static uint32_t xs_ask(uint32_t type, const char *body, uint32_t len, char *reply, uint32_t room)
{
    struct xenstore_domain_interface *x = va_of_mfn(si->store_mfn);
    struct xsd_sockmsg msg = { .type = type, .req_id = 1, .tx_id = 0, .len = len };
    uint32_t i;
    char c;
    if (!x)
        return XS_ERROR;
    xs_put(x, &msg, sizeof(msg));
    xs_put(x, body, len);
    notify(si->store_evtchn);
    xs_get(x, &msg, sizeof(msg));
    for (i = 0; i < msg.len; i++) {
        xs_get(x, &c, 1);
        if (i + 1 < room)
            reply[i] = c, reply[i + 1] = 0;
    }
    return msg.type;
}

static void suspend(void)
{
    struct sched_shutdown why = { .reason = SHUTDOWN_suspend };
    char none[8];
    uint32_t store, console;
    int cancelled;
    static const char ack[] = "control/shutdown";       /* with its NUL, no value */
    xs_ask(XS_WRITE, ack, sizeof(ack), none, sizeof(none));
    store = si->store_mfn;
    console = si->console.domU.mfn;
    si->store_mfn = pfn_of_mfn(store);
    si->console.domU.mfn = pfn_of_mfn(console);
    map_shared((uint64_t)mfn_of(shared_page) * PAGE);
    cancelled = hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uint32_t)&why, mfn_of(si), 0);
    if (cancelled) {
        si->store_mfn = store;
        si->console.domU.mfn = console;
    }
    connect();
    put(cancelled ? "guest: suspend cancelled\n" : "guest: resumed\n");
}

static uint32_t mix(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x45d9f3bu;
    x = (x ^ (x >> 16)) * 0x45d9f3bu;
    return x ^ (x >> 16);
}

static char *number(char *p, uint32_t v)
{
    char t[12];
    int n = 0;
    do {
        t[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n)
        *p++ = t[--n];
    return p;
}

static char *text(char *p, const char *s)
{
    while (*s)
        *p++ = *s++;
    return p;
}

void __attribute__((used)) start(start_info_t *info)
{
    uint32_t round = 0, page, i, bad;
    char line[120], reply[16], *p;

    si = info;
    for (i = 0; si->cmd_line[i]; i++)
        if (si->cmd_line[i] == 's' && si->cmd_line[i + 1] == '=')
            seed = (uint32_t)(si->cmd_line[i + 2] - '0');
    connect();
    for (page = 0; page < PATTERN_PAGES; page++)
        for (i = 0; i < 1024; i++)
            memory[page * 1024 + i] = mix(seed * 1000003u + page);
    put("guest: ready\n");
    for (;; round++) {
        bad = 0;
        for (page = PATTERN_PAGES; page < PATTERN_PAGES + WORK_PAGES; page++)
            memory[page * 1024 + round % 1024] = round;
        for (page = 0; page < PATTERN_PAGES; page++)
            bad += memory[page * 1024 + round % 1024] != mix(seed * 1000003u + page);
        if (round % 8 == 0) {
            p = text(line, "guest: seed ");
            p = number(p, seed);
            p = text(p, " round ");
            p = number(p, round);
            p = text(p, bad ? " PATTERN BAD " : " pattern ok ");
            p = number(p, bad ? bad : PATTERN_PAGES);
            p = text(p, "\n");
            *p = 0;
            put(line);
        }
        reply[0] = 0;
        if (xs_ask(XS_READ, "control/shutdown", 17, reply, sizeof(reply)) == XS_READ &&
            reply[0] == 's')
            suspend();
        wait_port(si->store_evtchn, 100);
    }
}

__asm__(
    ".pushsection .text.entry, \"ax\"\n"
    ".globl _start\n"
    "_start:\n"
    "    cld\n"
    "    mov $stack_top, %esp\n"
    "    push %esi\n"
    "    call start\n"
    "    ud2\n"
    "    .balign 4096\n"
    ".globl hypercall_page\n"
    "hypercall_page:\n"
    "    .fill 4096, 1, 0x90\n"
    ".popsection\n"
    ".pushsection .bss\n"
    "    .balign 16\n"
    "    .skip 16384\n"
    "stack_top:\n"
    ".popsection\n"
    /* ELF notes: name "Xen", a type from xen/elfnote.h, text or a number */
    ".macro textnote type, value\n"
    "    .long 4, 2f - 1f, \\type\n    .asciz \"Xen\"\n"
    "1:  .asciz \"\\value\"\n2:  .balign 4\n"
    ".endm\n"
    ".macro wordnote type, value:vararg\n"
    "    .long 4, 2f - 1f, \\type\n    .asciz \"Xen\"\n"
    "1:  .long \\value\n2:  .balign 4\n"
    ".endm\n"
    ".pushsection .note.Xen, \"a\", @note\n"
    "    textnote 6, \"pv32\"\n"        /* guest OS */
    "    textnote 7, \"1\"\n"               /* guest version */
    "    textnote 5, \"xen-3.0\"\n"         /* Xen version */
    "    textnote 8, \"generic\"\n"         /* loader */
    "    textnote 9, \"yes\"\n"             /* PAE mode */
    "    wordnote 1, _start\n"              /* entry */
    "    wordnote 2, hypercall_page\n"
    "    wordnote 3, 0xC0000000\n"          /* virt base */
    "    wordnote 4, 0xC0000000\n"          /* what p_paddr is counted from */
    "    wordnote 12, 0xF5800000\n"         /* hypervisor's low end */
    ".popsection\n");

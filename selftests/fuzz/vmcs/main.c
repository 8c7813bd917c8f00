// SPDX-License-Identifier: GPL-2.0
/*
 * Contents of a guest hypervisor's VMCS into VM entry, on the real module: a good one
 * with a few fields changed, any field, to random values and boundaries. Whatever L1
 * writes, each entry ends as the SDM says (VMfailValid with 7 or 8, an exit, a failed
 * entry's exit), and a good VMCS runs as before afterwards.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "../../device/l1.h"

#define BATCH		40
#define CHANGES_MAX	3
#define FIELDS_MAX	256

/* The fields that there are, by width and type: the first encoding, and how many follow. */
static const struct range {
	uint32_t first;
	unsigned int count, weight;
} ranges[] = {
	/* Host state seldom: what is allowed there and wrong ends L1, and a new VM takes long. */
	{ 0x0000, 2, 20 }, { 0x0800, 10, 100 }, { 0x0c00, 7, 10 },
	{ 0x2000, 26, 140 }, { 0x2800, 10, 80 }, { 0x2c00, 3, 5 },
	{ 0x4000, 18, 300 }, { 0x4800, 24, 300 }, { 0x4c00, 1, 2 },
	{ 0x6000, 4, 40 }, { 0x6800, 20, 200 }, { 0x6c00, 12, 5 },
};

/* How an entry ended. */
enum outcome {
	FAIL_CONTROLS, FAIL_HOST, FAIL_GUEST, FAIL_MSRS, EXITED, VMCALLED,
	L1_DIED, LEFT, OUTCOMES,
};

static const char *const outcome_name[] = {
	[FAIL_CONTROLS] = "VMfailValid 7, controls",
	[FAIL_HOST] = "VMfailValid 8, host state",
	[FAIL_GUEST] = "failed entry 33, guest state",
	[FAIL_MSRS] = "failed entry 34, MSR loading",
	[EXITED] = "other exits to L1",
	[VMCALLED] = "VMCALL: the change did no harm",
	[L1_DIED] = "L1 was shut down by what it asked for",
	[LEFT] = "left for userspace (HLT, I/O, MMIO, an alarm)",
};

struct fuzz {
	struct l1 l1;
	struct rng rng;
	uint64_t entries, outcome[OUTCOMES];
	unsigned int vms;
	uint32_t field[FIELDS_MAX];
	uint64_t base[FIELDS_MAX];
	unsigned int fields;
};

struct entry {
	unsigned int enter, error, reason;
	unsigned int changed[CHANGES_MAX], changes;
	uint64_t value[CHANGES_MAX];
};

static const uint8_t code[] = { 0x0f, 0x01, 0xc1, 0xf4, 0xeb, 0xfa }; /* vmcall; hlt; again */
/* xor %eax, %eax; xor %ecx, %ecx; vmfunc; and the same */
static const uint8_t code_vmfunc[] = { 0x31, 0xc0, 0x31, 0xc9, 0x0f, 0x01, 0xd4,
				       0x0f, 0x01, 0xc1, 0xf4, 0xeb, 0xfa };

static void nothing(int signal)
{
	(void)signal;
}

/*
 * An EPT that maps everything to itself, with A/D bits; behind it the page of PML's log, and
 * the EPTP list, with the same EPT.
 */
static void use_ept(struct l1 *l1)
{
	uint64_t *tables = bench_low(&l1->bench, L1_EPT_GPA);
	uint64_t eptp = L1_EPT_GPA | 3 << 3 | 6 | (l1->ept_ad ? 1 << 6 : 0);
	uint32_t wish = (C_PROC2_EPT | C_PROC2_PML | C_PROC2_VMFUNC) & l1->may[L1_PROC2];

	l1_ept(tables, L1_EPT_GPA, 0);
	memset(tables + 3 * 512, 0, 2 * PAGE_SIZE);
	tables[4 * 512] = eptp;
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY));
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, wish));
	l1_write(l1, F_EPTP, eptp);
	l1_write(l1, F_PML_ADDRESS, L1_EPT_GPA + 3 * PAGE_SIZE);
	l1_write(l1, F_PML_INDEX, 511);
	if (!(wish & C_PROC2_VMFUNC))
		return;
	l1_write(l1, F_VM_FUNCTIONS, 1);
	l1_write(l1, F_EPTP_LIST, L1_EPT_GPA + 4 * PAGE_SIZE);
}

/* What every entry starts from: current, launched, and with a timer that ends it. */
static void good_vmcs(struct l1 *l1, bool ept)
{
	if (ept && (l1->may[L1_PROC2] & C_PROC2_VMFUNC))
		l1_vmcs(l1, 0, code_vmfunc, sizeof(code_vmfunc));
	else
		l1_vmcs(l1, 0, code, sizeof(code));
	l1_write(l1, F_PIN, l1_controls(l1, L1_PIN, C_PIN_TIMER & l1->may[L1_PIN]));
	l1_write(l1, F_TIMER, 1000);
	if (ept)
		use_ept(l1);
}

/* The same, and nothing left of what entries and exits before it wrote. */
static void good_vmcs_again(struct fuzz *fuzz)
{
	struct l1 *l1 = &fuzz->l1;
	unsigned int i;

	l1_add(l1, L1_VMCLEAR, L1_VMCS_GPA, 0);
	l1_add(l1, L1_VMPTRLD, L1_VMCS_GPA, 0);
	for (i = 0; i < fuzz->fields; i++)
		l1_write(l1, fuzz->field[i], fuzz->base[i]);
}

/* A new VM, whose L1 has run an L2: 0 or -errno. */
static int start(struct fuzz *fuzz)
{
	const struct bench_config config = { .vcpus = 1, .data_pages = 16 };
	struct l1 *l1 = &fuzz->l1;
	int ret = l1_open(l1, &config);
	unsigned int i, enter;

	if (ret)
		return ret;
	/* Every second VM: what L1 wants of an EPT and PML is then one field away. */
	good_vmcs(l1, fuzz->vms++ % 2 && l1->ept);
	for (i = 0; i < fuzz->fields; i++)
		l1_read(l1, fuzz->field[i]);
	enter = l1_add(l1, L1_ENTER, 0, 0);
	ret = l1_run(l1);
	if (ret || l1_result(l1, enter) != L1_EXITED)
		return -EPROTO;
	for (i = 0; i < fuzz->fields; i++)
		fuzz->base[i] = l1_value(l1, enter - fuzz->fields + i);
	return 0;
}

static unsigned int pick_field(struct fuzz *fuzz)
{
	unsigned int i, at = 0, total = 0, chosen;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		total += ranges[i].weight;
	chosen = rng_below(&fuzz->rng, total);
	for (i = 0; chosen >= ranges[i].weight; i++) {
		chosen -= ranges[i].weight;
		at += ranges[i].count;
	}
	return at + rng_below(&fuzz->rng, ranges[i].count);
}

static uint64_t pick_value(struct fuzz *fuzz, uint64_t base)
{
	uint64_t bit = 1ULL << rng_below(&fuzz->rng, 64), low = 1ULL << rng_below(&fuzz->rng, 32);

	switch (rng_below(&fuzz->rng, 10)) {
	case 0: return rng_next(&fuzz->rng);
	case 1: return rng_next(&fuzz->rng) & 0xffffffff;
	case 2: return ~0ULL;
	case 3: return 0;
	case 4: return bit;
	case 5: return bit - 1;
	case 6: return base ^ bit;
	case 7: return base + 1;
	/* Pages that are there. */
	case 8: return L1_EPT_GPA + (rng_next(&fuzz->rng) & 0xfff);
	}
	return base ^ low;
}

static void add_entry(struct fuzz *fuzz, struct entry *entry)
{
	struct l1 *l1 = &fuzz->l1;
	unsigned int i, k;

	entry->changes = 1 + rng_below(&fuzz->rng, CHANGES_MAX);
	for (i = 0; i < entry->changes; i++) {
		k = entry->changed[i] = pick_field(fuzz);
		entry->value[i] = pick_value(fuzz, fuzz->base[k]);
		l1_write(l1, fuzz->field[k], entry->value[i]);
	}
	entry->enter = l1_add(l1, L1_ENTER, 1, 0);
	entry->error = l1_read(l1, F_ERROR);
	entry->reason = l1_read(l1, F_REASON);
	for (i = 0; i < entry->changes; i++)
		l1_write(l1, fuzz->field[entry->changed[i]], fuzz->base[entry->changed[i]]);
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	l1_write(l1, F_GUEST_RFLAGS, 2);
	l1_write(l1, F_INTERRUPTIBILITY, 0);
	l1_write(l1, F_ACTIVITY, 0);
}

static void tell(const struct fuzz *fuzz, const struct entry *entry)
{
	unsigned int i;

	for (i = 0; i < entry->changes; i++)
		printf("#   field 0x%04x = 0x%llx (was 0x%llx)\n", fuzz->field[entry->changed[i]],
		       (unsigned long long)entry->value[i],
		       (unsigned long long)fuzz->base[entry->changed[i]]);
}

/* Of an entry that L1 came back from; OUTCOMES: as nothing that the SDM says. */
static enum outcome outcome_of(struct fuzz *fuzz, const struct entry *entry)
{
	uint64_t result = l1_result(&fuzz->l1, entry->enter);
	uint32_t reason = l1_value(&fuzz->l1, entry->reason);

	if (result == L1_EXITED) {
		if (reason == R_INVALID_STATE)
			return FAIL_GUEST;
		if (reason == R_INVALID_STATE + 1)
			return FAIL_MSRS;
		return reason == R_VMCALL ? VMCALLED : reason < 128 ? EXITED : OUTCOMES;
	}
	if (!l1_failed_valid(&fuzz->l1, entry->enter))
		return OUTCOMES;
	return l1_value(&fuzz->l1, entry->error) == 7 ? FAIL_CONTROLS :
	       l1_value(&fuzz->l1, entry->error) == 8 ? FAIL_HOST : OUTCOMES;
}

/*
 * An exit to userspace after which the VM is lost. Not so an instruction that is not
 * emulated, or an event that ends where there is no memory: with another RIP or CR3 L1
 * and L2 run whatever there is.
 */
static bool is_given_up(struct l1 *l1, int reason)
{
	struct kvm_run *run = l1->bench.vcpu[0].run;

	return reason == KVM_EXIT_FAIL_ENTRY ||
	       (reason == KVM_EXIT_INTERNAL_ERROR &&
		run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION &&
		run->internal.suberror != KVM_INTERNAL_ERROR_DELIVERY_EV);
}

/*
 * Did a batch change what an exit loads into L1: host state, VM-exit controls and MSR
 * areas?  Then L1 may be another than it was, and a new VM must show that all is well.
 */
static bool has_harmed_itself(const struct fuzz *fuzz, const struct entry *entry)
{
	unsigned int i, k;

	for (i = 0; i < BATCH; i++) {
		for (k = 0; k < entry[i].changes; k++) {
			uint32_t field = fuzz->field[entry[i].changed[k]];

			if ((field >> 10 & 3) == 3 || field == F_EXIT ||
			    field == 0x4010 || field == 0x2008)
				return true;
		}
	}
	return false;
}

/* An L2 that nothing ends is left alone after a second or two. */
static int run_bounded(struct l1 *l1)
{
	const struct itimerval often = { .it_value.tv_sec = 1, .it_interval.tv_sec = 1 };
	const struct itimerval never = { .it_value.tv_sec = 0 };
	int ret;

	setitimer(ITIMER_REAL, &often, NULL);
	ret = l1_run(l1);
	if (ret == -EINTR)
		ret = l1_go_on(l1);
	setitimer(ITIMER_REAL, &never, NULL);
	return ret;
}

/* The good VMCS anew, some that are changed, and at the end a good one. 0, or -errno. */
static int batch(struct fuzz *fuzz)
{
	struct l1 *l1 = &fuzz->l1;
	struct entry entry[BATCH];
	unsigned int i, first, last, reason;
	enum outcome outcome;
	int ret;

	good_vmcs_again(fuzz);
	first = l1_add(l1, L1_ENTER, 0, 0);
	l1_write(l1, F_GUEST_RIP, L1_L2_CODE_GPA);
	for (i = 0; i < BATCH; i++)
		add_entry(fuzz, &entry[i]);
	good_vmcs_again(fuzz);
	last = l1_add(l1, L1_ENTER, 0, 0);
	reason = l1_read(l1, F_REASON);
	ret = run_bounded(l1);
	if (l1_result(l1, first) != L1_EXITED) {
		printf("# a good VMCS was refused before the first change\n");
		return -EPROTO;
	}
	for (i = 0; i < BATCH && l1_result(l1, entry[i].enter); i++) {
		outcome = outcome_of(fuzz, &entry[i]);
		fuzz->entries++;
		if (outcome == OUTCOMES) {
			printf("# RFLAGS 0x%llx, error %llu, reason 0x%llx after\n",
			       (unsigned long long)l1_result(l1, entry[i].enter),
			       (unsigned long long)l1_value(l1, entry[i].error),
			       (unsigned long long)l1_value(l1, entry[i].reason));
			tell(fuzz, &entry[i]);
			return -EPROTO;
		}
		fuzz->outcome[outcome]++;
	}
	if (!ret && l1_result(l1, last) == L1_EXITED && l1_value(l1, reason) == R_VMCALL)
		return 0;
	if (!ret && !has_harmed_itself(fuzz, entry)) {
		printf("# a good VMCS does not run any more: RFLAGS 0x%llx, reason 0x%llx\n",
		       (unsigned long long)l1_result(l1, last),
		       (unsigned long long)l1_value(l1, reason));
		for (i = 0; i < BATCH; i++)
			tell(fuzz, &entry[i]);
		return -EPROTO;
	}
	/* Entry i did not come back: L1 or L2 did something that userspace has to do with. */
	fuzz->entries++;
	fuzz->outcome[!ret || ret == KVM_EXIT_SHUTDOWN ? L1_DIED : LEFT]++;
	if (ret < 0 ? ret != -EINTR : is_given_up(l1, ret)) {
		printf("# the VM was given up: KVM_RUN said %d, %u, after\n", ret,
		       l1->bench.vcpu[0].run->internal.suberror);
		if (i < BATCH)
			tell(fuzz, &entry[i]);
		return -EPROTO;
	}
	l1_close(l1);
	return start(fuzz);
}

static bool report(const struct fuzz *fuzz, int ret)
{
	static const enum outcome must[] = { FAIL_CONTROLS, FAIL_HOST, FAIL_GUEST, VMCALLED };
	unsigned int i;
	bool good = !ret;

	if (ret)
		printf("# stopped: %d\n", ret);
	printf("# %llu entries in %u VMs\n", (unsigned long long)fuzz->entries, fuzz->vms);
	for (i = 0; i < OUTCOMES; i++)
		printf("# %8llu %s\n", (unsigned long long)fuzz->outcome[i], outcome_name[i]);
	for (i = 0; i < ARRAY_SIZE(must); i++) {
		if (!fuzz->outcome[must[i]]) {
			printf("# never: %s\n", outcome_name[must[i]]);
			good = false;
		}
	}
	printf("%sok 1 - vmcs_fuzz\n1..1\n", good ? "" : "not ");
	return good;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "entries", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct sigaction action = { .sa_handler = nothing };
	uint64_t entries = 50000, seed = 1;
	static struct fuzz fuzz;
	unsigned int i, k;
	int opt, ret;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's') {
			seed = strtoull(optarg, NULL, 0);
		} else if (opt == 'n') {
			entries = strtoull(optarg, NULL, 0);
		} else {
			printf("usage: vmcs_fuzz [--seed N] [--entries N]\n");
			return opt == 'h' ? 0 : 2;
		}
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n# seed %llu\n", (unsigned long long)seed);
	if (!l1_is_offered()) {
		printf("ok 1 - vmcs_fuzz # SKIP guests have no VMX here\n1..1\n");
		return 0;
	}
	fuzz.rng.state = seed;
	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		for (k = 0; k < ranges[i].count; k++)
			fuzz.field[fuzz.fields++] = ranges[i].first + 2 * k;
	sigaction(SIGALRM, &action, NULL);
	ret = start(&fuzz);
	while (!ret && fuzz.entries < entries)
		ret = batch(&fuzz);
	return report(&fuzz, ret) ? 0 : 1;
}

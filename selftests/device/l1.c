// SPDX-License-Identifier: GPL-2.0
/* A guest hypervisor that does what it is told: see l1.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "l1.h"

DECLARE_GUEST(l1);

#define MSR_FEATURE_CONTROL	0x3a
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_PROCBASED2	0x48b
#define MSR_VMX_EPT_VPID	0x48c
#define MSR_VMX_TRUE_PIN	0x48d	/* and primary, exit, entry */
#define CPUID_1_ECX_VMX		(1u << 5)

int l1_get_msr(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry.index = index };
	int ret = kvm_ioctl(vcpu->fd, KVM_GET_MSRS, &one);

	*value = one.entry.data;
	return ret < 0 ? ret : ret == 1 ? 0 : -EIO;
}

int l1_set_msr(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} one = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };
	int ret = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, &one);

	return ret < 0 ? ret : ret == 1 ? 0 : -EIO;
}

bool l1_is_offered(void)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[CPUID_MAX];
	} cpuid = { .head.nent = CPUID_MAX };
	int dev = kvm_open();
	bool found = false;
	uint32_t i;

	if (dev < 0 || kvm_ioctl(dev, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0)
		return false;
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 1)
			found = cpuid.entries[i].ecx & CPUID_1_ECX_VMX;
	close(dev);
	return found;
}

static int read_words(struct l1 *l1)
{
	static const uint32_t msr[] = {
		[L1_PIN] = MSR_VMX_TRUE_PIN, [L1_PROC] = MSR_VMX_TRUE_PIN + 1,
		[L1_PROC2] = MSR_VMX_PROCBASED2, [L1_EXIT] = MSR_VMX_TRUE_PIN + 2,
		[L1_ENTRY] = MSR_VMX_TRUE_PIN + 3,
	};
	struct vcpu *vcpu = &l1->bench.vcpu[0];
	uint64_t value = 0;
	int ret = l1_get_msr(vcpu, MSR_VMX_BASIC, &l1->revision);
	unsigned int i;

	l1->revision &= 0x7fffffff;
	for (i = 0; !ret && i < 5; i++) {
		ret = l1_get_msr(vcpu, msr[i], &value);
		l1->must[i] = value;
		l1->may[i] = value >> 32;
	}
	l1->ept = l1->may[L1_PROC2] & C_PROC2_EPT;
	if (!ret && l1->ept)
		ret = l1_get_msr(vcpu, MSR_VMX_EPT_VPID, &value);
	l1->ept_ad = l1->ept && value >> 21 & 1;
	return ret;
}

int l1_open(struct l1 *l1, const struct bench_config *config)
{
	int ret;

	memset(l1, 0, sizeof(*l1));
	ret = bench_open(&l1->bench, config);
	if (ret)
		return ret;
	BENCH_LOAD(&l1->bench, l1);
	ret = l1_set_msr(&l1->bench.vcpu[0], MSR_FEATURE_CONTROL, 5); /* locked, VMX outside SMX */
	ret = ret ?: read_words(l1);
	ret = ret ?: bench_start_mode(&l1->bench, 0, CPU_LONG);
	if (!ret) {
		memcpy(bench_low(&l1->bench, L1_VMXON_GPA), &l1->revision, 4);
		l1_add(l1, L1_VMXON, L1_VMXON_GPA, 0);
		ret = l1_run(l1);
		if (!ret && l1_failed(l1, 0))
			ret = -EIO;
	}
	if (ret)
		bench_close(&l1->bench);
	return ret;
}

void l1_close(struct l1 *l1)
{
	bench_close(&l1->bench);
}

static uint64_t *command(struct l1 *l1, unsigned int i)
{
	return (uint64_t *)bench_low(&l1->bench, SCRIPT_GPA) + L1_WORDS * i;
}

unsigned int l1_add(struct l1 *l1, uint64_t what, uint64_t a, uint64_t b)
{
	uint64_t *words = command(l1, l1->commands);

	words[0] = what;
	words[1] = a;
	words[2] = b;
	words[3] = 0;
	words[L1_WORDS] = L1_END;
	return l1->commands++;
}

int l1_go_on(struct l1 *l1)
{
	int ret = bench_run(&l1->bench, 0);

	return ret == KVM_EXIT_IO && bench_done(&l1->bench, 0) ? 0 : ret;
}

int l1_run(struct l1 *l1)
{
	l1->commands = 0;
	return l1_go_on(l1);
}

uint64_t l1_value(struct l1 *l1, unsigned int i)
{
	return command(l1, i)[2];
}

uint64_t l1_result(struct l1 *l1, unsigned int i)
{
	return command(l1, i)[3];
}

/* Of FLAGS_ALU, which VMX instructions set or clear (SDM 3D 31.2). */
#define FLAGS_CF	0x001
#define FLAGS_ZF	0x040

bool l1_failed(struct l1 *l1, unsigned int i)
{
	return l1_result(l1, i) & (FLAGS_CF | FLAGS_ZF) && l1_result(l1, i) != L1_EXITED;
}

bool l1_failed_invalid(struct l1 *l1, unsigned int i)
{
	return (l1_result(l1, i) & FLAGS_ALU) == FLAGS_CF && l1_result(l1, i) != L1_EXITED;
}

bool l1_failed_valid(struct l1 *l1, unsigned int i)
{
	return (l1_result(l1, i) & FLAGS_ALU) == FLAGS_ZF && l1_result(l1, i) != L1_EXITED;
}

int l1_entry_error(struct l1 *l1)
{
	unsigned int enter = l1_add(l1, L1_ENTER, 0, 0), error = l1_read(l1, F_ERROR);

	return !l1_run(l1) && l1_failed_valid(l1, enter) ? (int)l1_value(l1, error) : -1;
}

int l1_get_nested_state(struct vcpu *vcpu, struct l1_nested_state *state)
{
	memset(state, 0, sizeof(*state));
	state->head.size = sizeof(*state);
	return kvm_ioctl(vcpu->fd, KVM_GET_NESTED_STATE, state);
}

int l1_set_nested_state(struct vcpu *vcpu, const struct l1_nested_state *state)
{
	return kvm_ioctl(vcpu->fd, KVM_SET_NESTED_STATE, (void *)state);
}

uint64_t *l1_reg(struct l1 *l1, unsigned int offset)
{
	return (uint64_t *)((char *)bench_low(&l1->bench, MBOX_GPA) + offset);
}

uint64_t l1_l2_cr3(unsigned int i)
{
	return L1_L2_TABLE_GPA + i * CPU_TABLE_BYTES;
}

uint32_t l1_controls(const struct l1 *l1, enum l1_word word, uint32_t want)
{
	return want | l1->must[word];
}

static void host_fields(struct l1 *l1)
{
	struct kvm_sregs sregs;

	memset(&sregs, 0, sizeof(sregs));
	kvm_ioctl(l1->bench.vcpu[0].fd, KVM_GET_SREGS, &sregs);
	l1_write(l1, F_HOST_CR0, sregs.cr0);
	l1_write(l1, F_HOST_CR3, sregs.cr3);
	l1_write(l1, F_HOST_CR4, sregs.cr4);
	l1_write(l1, F_HOST_CS, 8);
	l1_write(l1, F_HOST_SS, 16);
	l1_write(l1, F_HOST_TR, 24);
	l1_add(l1, L1_HOST, 0, 0);
	l1_write(l1, F_GUEST_CR0, sregs.cr0);
	l1_write(l1, F_GUEST_CR4, sregs.cr4);
}

/* VMCLEAR leaves what an earlier use wrote. */
static void clear_fields(struct l1 *l1)
{
	static const uint32_t fields[] = {
		F_ENTRY_INFO, F_INTERRUPTIBILITY, F_ACTIVITY, F_PENDING_DEBUG, F_EXCEPTIONS,
		F_PF_MASK, F_PF_MATCH, F_PROC2,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(fields); i++)
		l1_write(l1, fields[i], 0);
}

/* ES, CS, SS, DS, FS, GS, LDTR, TR. */
static void segment_fields(struct l1 *l1)
{
	static const uint32_t rights[] = { 0xc093, 0xa09b, 0xc093, 0xc093,
					   0xc093, 0xc093, 0x10000, 0x8b };
	unsigned int i;

	for (i = 0; i < 8; i++) {
		l1_write(l1, F_GUEST_ES_AR + 2 * i, rights[i]);
		l1_write(l1, F_GUEST_ES_LIMIT + 2 * i, i < 6 ? 0xffffffff : 0x67);
	}
}

void l1_vmcs(struct l1 *l1, unsigned int i, const void *code, unsigned int bytes)
{
	uint64_t vmcs = L1_VMCS_GPA + i * PAGE_SIZE, at = L1_L2_CODE_GPA + i * 256;

	memcpy(bench_low(&l1->bench, at), code, bytes);
	memcpy(bench_low(&l1->bench, vmcs), &l1->revision, 4);
	cpu_page_tables(bench_low(&l1->bench, l1_l2_cr3(i)), l1_l2_cr3(i));
	l1_add(l1, L1_VMCLEAR, vmcs, 0);
	l1_add(l1, L1_VMPTRLD, vmcs, 0);
	l1_write(l1, F_PIN, l1_controls(l1, L1_PIN, 0));
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT));
	l1_write(l1, F_EXIT, l1_controls(l1, L1_EXIT, C_EXIT_64));
	l1_write(l1, F_ENTRY, l1_controls(l1, L1_ENTRY, C_ENTRY_64));
	l1_write(l1, F_LINK, ~0ULL);
	host_fields(l1);
	clear_fields(l1);
	segment_fields(l1);
	l1_write(l1, F_GUEST_CR3, l1_l2_cr3(i));
	l1_write(l1, F_GUEST_RIP, at);
	l1_write(l1, F_GUEST_RSP, at + 256);
	l1_write(l1, F_GUEST_RFLAGS, 2);
}

static uint64_t ept_pointer(void)
{
	return L1_EPT_GPA | 6 | 3 << 3;	/* write-back, four levels */
}

uint64_t *l1_ept(uint64_t *tables, uint64_t gpa, uint64_t seen)
{
	uint64_t *pml4 = tables, *pdpt = pml4 + 512, *pd = pdpt + 512;
	unsigned int i;

	memset(tables, 0, 3 * PAGE_SIZE);
	pml4[0] = (gpa + PAGE_SIZE) | EPT_RWX | (seen & EPT_A);
	pdpt[0] = (gpa + 2 * PAGE_SIZE) | EPT_RWX | (seen & EPT_A);
	for (i = 0; i < 512; i++)
		pd[i] = (uint64_t)i << 21 | EPT_RWX | EPT_MT_WB | EPT_PS | seen;
	return pd;
}

static void ept_tables(struct l1 *l1)
{
	uint64_t *pd = l1_ept(bench_low(&l1->bench, L1_EPT_GPA), L1_EPT_GPA, 0);
	uint64_t *pt = pd + 512;
	unsigned int i;

	for (i = 0; i < L1_EPT_PAGES / 512; i++)
		pd[(DATA_GPA >> 21) + i] = L1_EPT_PTE(512 * i) | EPT_RWX;
	for (i = 0; i < L1_EPT_PAGES; i++)
		pt[i] = (DATA_GPA + i * PAGE_SIZE) | EPT_RWX | EPT_MT_WB;
}

void l1_use_ept(struct l1 *l1)
{
	ept_tables(l1);
	l1_write(l1, F_PROC, l1_controls(l1, L1_PROC, C_PROC_HLT | C_PROC_SECONDARY));
	l1_write(l1, F_PROC2, l1_controls(l1, L1_PROC2, C_PROC2_EPT));
	l1_write(l1, F_EPTP, ept_pointer());
}

void l1_remap(struct l1 *l1, unsigned int from, unsigned int to)
{
	const uint64_t bits = EPT_RWX | EPT_MT_WB;
	uint64_t *descriptor = bench_low(&l1->bench, L1_INVEPT_GPA);

	descriptor[0] = ept_pointer();
	descriptor[1] = 0;
	l1_add(l1, L1_STORE, L1_EPT_PTE(from), (DATA_GPA + to * PAGE_SIZE) | bits);
	l1_add(l1, L1_INVEPT, 1, L1_INVEPT_GPA);
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments that are lists, carry a page, or point at something: MSRs, CPUID, nested
 * state, attributes, filters, routes.
 */
#include <string.h>

#include "fuzz.h"

#define MSRS_ASKED	16
#define VMCS12_PAGE	KVM_STATE_NESTED_VMX_VMCS_SIZE

static uint32_t any_msr(struct rng *rng)
{
	static const uint32_t known[] = {
		0x10, 0x1b, 0x3a, 0x3b, 0x48, 0x8b, 0xc1, 0xfe, 0x10a, 0x174, 0x175, 0x176, 0x179,
		0x17a, 0x186, 0x198, 0x1a0, 0x1d9, 0x200, 0x20f, 0x277, 0x2ff, 0x38f, 0x400, 0x401,
		0x480, 0x48b, 0x491, 0x6e0, 0x800, 0x808, 0x80b, 0x80f, 0x830, 0x832, 0x838, 0x83f,
		0xda0, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05,
		0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101,
		0xc0000102, 0xc0000103, 0x11, 0x12, 0x40000000, 0x40000001, 0x40000070, 0x40000071,
		0x40000072, 0x40000073, 0xc0010015,
	};

	if (one_in(rng, 24))
		return odd_number(rng);
	if (nr_msrs && !one_in(rng, 6))
		return msr_list[rng_below(rng, nr_msrs)];
	return known[rng_below(rng, ARRAY_SIZE(known))];
}

unsigned long arg_msrs(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_msrs *msrs = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint32_t i, how = rng_below(rng, 16);

	msrs->nmsrs = 1 + rng_below(rng, MSRS_ASKED);
	for (i = 0; i < msrs->nmsrs; i++)
		msrs->entries[i] = (struct kvm_msr_entry){
			.index = any_msr(rng), .data = odd_number(rng),
		};
	/* Mostly values that stand there, and one that does not. */
	if (call->nr == KVM_SET_MSRS && how)
		do_ioctl(t, KVM_GET_MSRS, ON_VCPU, w->vcpu[v], (unsigned long)msrs);
	if (call->nr == KVM_SET_MSRS && how < 10)
		msrs->entries[rng_below(rng, msrs->nmsrs)].data = odd_number(rng);
	if (one_in(rng, 50))
		msrs->nmsrs = odd_number(rng);
	return place(t, msrs, sizeof(*msrs) + MSRS_ASKED * sizeof(msrs->entries[0]));
}

unsigned long arg_msr_list(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_msr_list *list = (void *)t->scratch;

	list->nmsrs = one_in(&t->rng, 4) ? odd_number(&t->rng) : MSRS_MAX;
	return place(t, list, sizeof(*list) + MSRS_MAX * sizeof(list->indices[0]));
}

#define VMCS12_REVISION	0x11e57ed0
#define NO_ADDRESS	-1ULL

/* In VMX operation, or not, with a VMCS of odd numbers, or none, that is said to run or not. */
static void any_nested_state(struct rng *rng, struct kvm_nested_state *state)
{
	struct kvm_vmx_nested_state_hdr *hdr = &state->hdr.vmx;
	uint64_t *vmcs12 = (void *)state->data.vmx->vmcs12;
	bool enlightened = one_in(rng, 4);
	unsigned int i;

	hdr->vmxon_pa = one_in(rng, 4) ? NO_ADDRESS : FUZZ_DATA_GPA;
	hdr->vmcs12_pa = hdr->vmxon_pa == NO_ADDRESS || enlightened || one_in(rng, 4) ?
				 NO_ADDRESS :
				 0x1000;
	if (hdr->vmcs12_pa == NO_ADDRESS && !enlightened) {
		state->size = sizeof(*state);
		return;
	}
	for (i = 1; i < VMCS12_PAGE / sizeof(*vmcs12); i++)
		vmcs12[i] = one_in(rng, 4) ? odd_number(rng) : 0;
	vmcs12[0] = VMCS12_REVISION;
	if (one_in(rng, 3))
		state->flags = rng_below(rng, 8);
	if (enlightened)
		state->flags |= KVM_STATE_NESTED_EVMCS;
}

/* Both begin with the size of what is there; what GET gave is mostly what SET takes. */
unsigned long arg_nested_state(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_nested_state *state = (void *)t->scratch;
	size_t most = sizeof(*state) + 2 * VMCS12_PAGE;
	struct rng *rng = &t->rng;

	memset(state, 0, most);
	state->size = one_in(rng, 8) ? odd_number(rng) : most;
	if (call->nr == KVM_SET_NESTED_STATE) {
		if (one_in(rng, 2))
			any_nested_state(rng, state);
		else
			do_ioctl(t, KVM_GET_NESTED_STATE, ON_VCPU, w->vcpu[v],
				 (unsigned long)state);
		if (one_in(rng, 4))
			mutate(rng, state, sizeof(*state));
	}
	return place(t, state, most);
}

unsigned long arg_cpuid(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_cpuid2 *cpuid = (void *)t->scratch;
	struct rng *rng = &t->rng;
	size_t size = sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]);
	uint32_t how = rng_below(rng, 16);

	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->nent = one_in(rng, 8) ? odd_number(rng) : CPUID_MAX;
	if (call->nr != KVM_SET_CPUID2)
		return place(t, cpuid, size);
	cpuid->nent = CPUID_MAX;
	/* A vCPU that ran takes what it has, and nothing else. */
	if (how > 4)
		do_ioctl(t, KVM_GET_CPUID2, ON_VCPU, w->vcpu[v], (unsigned long)cpuid);
	else
		do_ioctl(t, how == 4 ? KVM_GET_SUPPORTED_HV_CPUID : KVM_GET_SUPPORTED_CPUID,
			 ON_DEVICE, device, (unsigned long)cpuid);
	if (how < 3)
		mutate(rng, cpuid->entries, CPUID_MAX * sizeof(cpuid->entries[0]) / 4);
	if (!how)
		cpuid->nent = odd_number(rng);
	return place(t, cpuid, size);
}

unsigned long arg_attr(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_device_attr *attr = (void *)t->scratch;
	uint64_t *value = (uint64_t *)(t->scratch + 4096);

	memset(attr, 0, sizeof(*attr));
	*value = odd_number(&t->rng);
	attr->group = one_in(&t->rng, 12) ? odd_number(&t->rng) : 0;
	attr->attr = one_in(&t->rng, 12) ? odd_number(&t->rng) : 0;
	attr->flags = one_in(&t->rng, 20) ? odd_number(&t->rng) : 0;
	attr->addr = place(t, value, sizeof(*value));
	return place(t, attr, sizeof(*attr));
}

unsigned long arg_filter(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_msr_filter *filter = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint32_t i, ranges = rng_below(rng, 4);

	memset(filter, 0, sizeof(*filter));
	filter->flags = one_in(rng, 8) ? odd_number(rng) : ranges ? rng_below(rng, 2) : 0;
	for (i = 0; i < ranges; i++) {
		filter->ranges[i].flags = one_in(rng, 20) ? odd_number(rng) : 1 + rng_below(rng, 3);
		filter->ranges[i].base = any_msr(rng);
		filter->ranges[i].nmsrs = one_in(rng, 10) ? odd_number(rng) : rng_below(rng, 600);
		filter->ranges[i].bitmap = (uint8_t *)place(t, t->scratch + 4096, 600);
	}
	return place(t, filter, sizeof(*filter));
}

unsigned long arg_routing(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_irq_routing *routing = (void *)t->scratch;
	struct rng *rng = &t->rng;
	uint32_t i;

	memset(routing, 0, sizeof(*routing) + 4 * sizeof(routing->entries[0]));
	routing->nr = one_in(rng, 10) ? odd_number(rng) : rng_below(rng, 4);
	for (i = 0; i < 4; i++) {
		routing->entries[i].gsi = one_in(rng, 10) ? odd_number(rng) : rng_below(rng, 24);
		routing->entries[i].type = one_in(rng, 10) ? odd_number(rng) :
							     KVM_IRQ_ROUTING_MSI;
		routing->entries[i].u.msi.address_lo = 0xfee00000;
		routing->entries[i].u.msi.data = rng_below(rng, 256);
	}
	return place(t, routing, sizeof(*routing));
}

/* KVM_X86_SETUP_MCE: banks and abilities; KVM_X86_SET_MCE: an event in one of them. */
unsigned long arg_mce(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct rng *rng = &t->rng;
	struct kvm_x86_mce *mce = (void *)t->scratch;
	uint64_t *cap = (void *)t->scratch;

	if (call->nr == KVM_X86_SETUP_MCE) {
		*cap = one_in(rng, 8) ? odd_number(rng) : 1 + rng_below(rng, 32);
		if (one_in(rng, 2))
			*cap |= 0x100; /* MCG_CTL_P */
		return place(t, cap, sizeof(*cap));
	}
	*mce = (struct kvm_x86_mce){
		.status = 1UL << 63 | (uint64_t)rng_below(rng, 64) << 57 | rng_below(rng, 0x10000),
		.addr = odd_number(rng), .misc = odd_number(rng),
		.mcg_status = rng_below(rng, 8), .bank = one_in(rng, 8) ? odd_number(rng) : 0,
	};
	return place(t, mce, sizeof(*mce));
}

unsigned long arg_msi(struct thread *t, struct world *w, int v, const struct call *call)
{
	struct kvm_msi *msi = (void *)t->scratch;

	memset(msi, 0, sizeof(*msi));
	msi->address_lo = 0xfee00000 | rng_below(&t->rng, WORLD_VCPUS) << 12;
	msi->data = rng_below(&t->rng, 256);
	if (one_in(&t->rng, 4))
		mutate(&t->rng, msi, sizeof(*msi));
	return place(t, msi, sizeof(*msi));
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Any EPTP, any access and any guest memory into the walk of the guest hypervisor's
 * EPT: it ends after at most as many reads as there are levels, reads only whole
 * entries at addresses that entries can hold, sets only A and D and only in what it
 * read, logs what it set D for and nothing when the log is full, and what it finds
 * follows from the entries it read.
 */
#include "nested/ept12.h"
#include "vmcs_fields.h"

struct input {
	u64 eptp, cap, gpa;
	u16 access, log_index;
	u8 maxphyaddr, shape;
};

/* Guest memory is the rest of the input, over and over. */
struct guest {
	const u8 *bytes;
	size_t size;
	u8 maxphyaddr, shape;
	unsigned int reads, sets, logged;
	bool dirtied; /* D was set where it was clear */
	struct guest_entry entry[EPT_LEVELS];
};

static void demand(bool truth)
{
	if (!truth)
		__builtin_trap();
}

static int entry_of(const struct guest *guest, gpa_t gpa, u64 *entry)
{
	u8 bytes[8];
	int i;

	if (!guest->size)
		return -EFAULT;
	for (i = 0; i < 8; i++)
		bytes[i] = guest->bytes[(gpa + i) % guest->size];
	memcpy(entry, bytes, 8);
	/* Mostly entries that lead on: noise alone is misconfigured at once. */
	if (guest->shape & 1)
		*entry |= EPT_R;
	if (guest->shape & 2)
		*entry &= (1ull << guest->maxphyaddr) - 1;
	if (guest->shape & 4)
		*entry &= ~(EPT_PS | EPT_IPAT | EPT_MT_MASK);
	return 0;
}

static int read_guest(void *opaque, gpa_t gpa, u64 *entry)
{
	struct guest *guest = opaque;
	int ret = entry_of(guest, gpa, entry);

	demand(guest->reads < EPT_LEVELS);
	demand(gpa % 8 == 0 && gpa >> guest->maxphyaddr == 0);
	guest->entry[guest->reads++] =
		(struct guest_entry){ .gpa = gpa, .old = ret ? 0 : *entry, .size = 8 };
	return ret;
}

/* The first byte says what comes of it. */
static int set_guest(void *opaque, const struct guest_entry *entry, u32 bits)
{
	struct guest *guest = opaque;
	unsigned int i;

	demand(bits && !(bits & ~(EPT_A | EPT_D)) && (entry->old & bits) != bits);
	for (i = 0; i < guest->reads; i++)
		if (guest->entry[i].gpa == entry->gpa && guest->entry[i].old == entry->old)
			break;
	demand(i < guest->reads);
	demand(!(bits & EPT_D) || guest->entry[i].gpa == guest->entry[guest->reads - 1].gpa);
	if (guest->bytes[0] & 3)
		return guest->bytes[0] & 1 ? -EAGAIN : -EFAULT;
	guest->sets++;
	guest->dirtied |= bits & EPT_D && !(entry->old & EPT_D);
	return 0;
}

static void log_guest(void *opaque, u16 index, gpa_t gpa)
{
	struct guest *guest = opaque;

	demand(index < PML_ENTRIES && gpa % PAGE_SIZE == 0);
	demand(guest->dirtied && !guest->logged++);
}

/* One entry for a D bit that was set, none otherwise; a full log lets nothing happen. */
static void check_log(const struct guest *guest, const struct ept12_walk *walk, u16 index,
		      enum ept12_outcome outcome)
{
	demand(guest->logged == (walk->logs && guest->dirtied));
	demand(walk->log_index == (u16)(index - guest->logged));
	if (outcome == EPT12_LOG_FULL)
		demand(walk->logs && index >= PML_ENTRIES && !guest->sets);
	if (walk->logs && index >= PML_ENTRIES)
		demand(!guest->sets);
}

/* What was found must follow from the entries that were read. */
static void check_found(const struct guest *guest, const struct ept12_walk *walk, gpa_t gpa)
{
	u64 rights = EPT_RWX, last = guest->entry[guest->reads - 1].old;
	u64 mask = EPT_LEVEL_PAGES(walk->level) * 4096 - 1;
	unsigned int i;

	demand(walk->level >= 1 && walk->level <= 3 && guest->reads == 5 - walk->level);
	for (i = 0; i < guest->reads; i++)
		rights &= guest->entry[i].old;
	demand(walk->rights == rights && !(walk->access & EPT_RWX & ~rights));
	demand(walk->found == ((last & EPT_ADDR_MASK & ~mask) | (gpa & mask)));
	demand(walk->found >> guest->maxphyaddr == 0);
	demand(walk->memory == (last & (EPT_MT_MASK | EPT_IPAT)));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct guest guest = {};
	struct ept12_walk walk = {
		.read = read_guest,
		.set = set_guest,
		.log = log_guest,
		.opaque = &guest,
	};
	enum ept12_outcome outcome;
	struct input input;

	if (size < sizeof(input))
		return 0;
	memcpy(&input, data, sizeof(input));
	guest.bytes = data + sizeof(input);
	guest.size = size - sizeof(input);
	guest.shape = input.shape;
	guest.maxphyaddr = 36 + input.maxphyaddr % 17;
	walk.maxphyaddr = guest.maxphyaddr;
	walk.cap = input.cap | VMX_EPTP_WB_BIT | VMX_EPT_PAGE_WALK_4_BIT;
	walk.access = input.access & EPT12_ACCESS;
	if (!(walk.access & EPT_RWX))
		walk.access |= EPT_VIOLATION_READ;
	walk.logs = input.shape & 8;
	walk.log_index = input.log_index & (input.shape & 16 ? 0xffff : PML_ENTRIES - 1);
	input.log_index = walk.log_index;
	walk.eptp = input.eptp;
	if (!ept12_eptp_is_valid(walk.eptp, walk.cap, walk.maxphyaddr)) {
		walk.eptp &= (1ull << guest.maxphyaddr) - 4096;
		walk.eptp |= EPTP_WALK_4 | EPTP_MT_WB;
		if (walk.cap & VMX_EPT_AD_BIT)
			walk.eptp |= input.eptp & EPTP_AD;
		demand(ept12_eptp_is_valid(walk.eptp, walk.cap, walk.maxphyaddr));
	}
	outcome = ept12_translate(&walk, input.gpa & (1ull << 49) - 1);
	check_log(&guest, &walk, input.log_index, outcome);
	if (outcome == EPT12_FOUND)
		check_found(&guest, &walk, input.gpa);
	else if (outcome == EPT12_VIOLATION)
		demand((walk.qualification & walk.access) == walk.access &&
		       (walk.qualification & EPT_RWX & ~(walk.qualification >> 3)));
	else
		demand(outcome == EPT12_MISCONFIG || outcome == EPT12_NO_TABLE ||
		       outcome == EPT12_CHANGED || outcome == EPT12_LOG_FULL);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Any registers, any access and any guest memory into the walk of the guest's page tables:
 * it ends after at most as many reads as there are levels, reads only whole
 * entries, and gives no address that no entry can hold.
 */
#include <asm/processor-flags.h>

#include "platform/gva.h"

#define LEVELS_MAX 4

struct input {
	u64 cr0, cr3, cr4, efer, gva;
	u8 access, maxphyaddr, ac;
};

/* Guest memory is the rest of the input, over and over. */
struct guest {
	const u8 *bytes;
	size_t size;
	unsigned int reads;
};

static void demand(bool truth)
{
	if (!truth)
		__builtin_trap();
}

static int read_guest(void *opaque, gpa_t gpa, void *to, size_t len)
{
	struct guest *guest = opaque;
	u8 *out = to;
	size_t i;

	demand(++guest->reads <= LEVELS_MAX);
	demand(len == 4 || len == 8);
	demand(gpa % len == 0 && gpa >> 52 == 0);
	if (!guest->size)
		return -EFAULT;
	for (i = 0; i < len; i++)
		out[i] = guest->bytes[(gpa + i) % guest->size];
	return 0;
}

/* Only what was read can be set, and only A and D; the first read says what comes of it. */
static int set_guest(void *opaque, const struct guest_entry *entry, u32 bits)
{
	struct guest *guest = opaque;

	demand(bits && !(bits & ~0x60) && (entry->old & bits) != bits);
	demand(entry->gpa % entry->size == 0 && (entry->old & 1));
	return guest->bytes[0] & 1 ? -EAGAIN : guest->bytes[0] & 2 ? -EFAULT : 0;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct guest guest = {};
	struct gva_walk walk = { .read = read_guest, .set = set_guest, .opaque = &guest };
	struct input input;
	int ret;

	if (size < sizeof(input))
		return 0;
	memcpy(&input, data, sizeof(input));
	guest.bytes = data + sizeof(input);
	guest.size = size - sizeof(input);
	walk.cr0 = input.cr0;
	walk.cr3 = input.cr3;
	walk.cr4 = input.cr4;
	walk.efer = input.efer;
	walk.access = input.access & (GVA_WRITE | GVA_USER | GVA_FETCH);
	walk.maxphyaddr = 36 + input.maxphyaddr % 17;
	walk.ac = input.ac & 1;
	ret = gva_translate(&walk, input.gva);
	demand(!ret || ret == -EFAULT || ret == -EIO || ret == -EAGAIN);
	if (ret == -EFAULT)
		demand(!((walk.error ^ walk.access) & (GVA_WRITE | GVA_USER)) &&
		       (!(walk.error & GVA_RESERVED) || (walk.error & GVA_PRESENT)));
	if (ret || !(walk.cr0 & X86_CR0_PG))
		return 0;
	demand(walk.found >> 52 == 0 && ((walk.found ^ input.gva) & 0xfff) == 0);
	return 0;
}

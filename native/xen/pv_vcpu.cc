#include "pv_vcpu.h"

#include <functional>

#include "pv_failure.h"

namespace xenferry::xen {

namespace {

// Bits of a page type that say which table it is; the other one says that it is pinned.
constexpr std::uint8_t kTableMask = 0x7;
constexpr std::uint8_t kNoTable = 0x0;

// In a stream's cr1: the vCPU has tables of its user's. Machines have no such bit.
constexpr std::uint64_t kHasUserTables = 1;

// One direction: what a frame becomes that must be of a page type, and whose fault it is if not.
struct Translation {
  std::function<std::uint64_t(std::uint64_t frame, std::uint8_t type, const char* fact)> frame;
  pump::Failure (*fault)(const char* fact, std::uint64_t value);
};

// The context's fields by name.
class Context {
 public:
  Context(engine::Bytes bytes, PvWidth width)
      : bytes_(bytes), width_(width), layout_(vcpu_layout(width)) {
    if (bytes.size() != layout_.size) throw stream_fault("vcpuBytes", bytes.size());
  }

  std::uint64_t get(std::size_t offset) const { return load_word(bytes_, offset, width_); }
  void set(std::size_t offset, std::uint64_t value) { store_word(bytes_, offset, width_, value); }
  std::size_t control(std::size_t index) const {
    return layout_.ctrlreg + index * word_bytes(width_);
  }
  std::size_t gdt_frame(std::size_t index) const {
    return layout_.gdt_frames + index * word_bytes(width_);
  }
  const VcpuLayout& layout() const { return layout_; }
  PvWidth width() const { return width_; }

 private:
  engine::Bytes bytes_;
  PvWidth width_;
  const VcpuLayout& layout_;
};

void translate_gdt(Context& context, const Translation& to) {
  const std::uint64_t entries = context.get(context.layout().gdt_ents);
  if (entries > kGdtEntriesMax) throw to.fault("gdtEntries", entries);
  const std::size_t frame_count = (entries + kGdtEntriesPerFrame - 1) / kGdtEntriesPerFrame;
  for (std::size_t index = 0; index < frame_count; ++index) {
    const std::size_t at = context.gdt_frame(index);
    context.set(at, to.frame(context.get(at), kNoTable, "gdtFrame"));
  }
}

// What vCPUs have in either direction.
void translate_frames(Context& context, std::uint32_t vcpu_id, const Translation& to) {
  const PvWidth width = context.width();
  const auto root_type = static_cast<std::uint8_t>(table_levels(width));
  if (vcpu_id == 0) {
    const std::size_t at = context.layout().start_info;
    context.set(at, to.frame(context.get(at), kNoTable, "startInfo"));
  }
  translate_gdt(context, to);
  const std::size_t cr3 = context.control(3);
  const std::uint64_t root = frame_of_cr3(context.get(cr3), width);
  context.set(cr3, cr3_of_frame(to.frame(root, root_type, "cr3"), width));
}

}  // namespace

void normalise_vcpu(engine::Bytes bytes, std::uint32_t vcpu_id, const PvFrames& frames) {
  Context context{bytes, frames.width()};
  const auto to_pfn = [&](std::uint64_t mfn, std::uint8_t, const char* fact) {
    const std::optional<Pfn> pfn = frames.pfn_of(mfn);
    if (!pfn) throw guest_fault(fact, mfn);
    return *pfn;
  };
  translate_frames(context, vcpu_id, {to_pfn, guest_fault});
  const std::size_t cr1 = context.control(1);
  if (frames.width() == PvWidth::k64 && context.get(cr1) != 0) {
    const std::uint64_t pfn = to_pfn(context.get(cr1) >> kPageShift, 4, "cr1");
    context.set(cr1, (pfn << kPageShift) | kHasUserTables);
  }
}

void localise_vcpu(engine::Bytes bytes, std::uint32_t vcpu_id, const PvFrames& frames,
                   PageTypes types) {
  Context context{bytes, frames.width()};
  const auto to_mfn = [&](std::uint64_t pfn, std::uint8_t type, const char* fact) {
    return checked_mfn(pfn, type, frames, types, fact);
  };
  translate_frames(context, vcpu_id, {to_mfn, stream_fault});
  const std::size_t cr1 = context.control(1);
  if (frames.width() == PvWidth::k64 && (context.get(cr1) & kHasUserTables) != 0) {
    context.set(cr1, to_mfn(context.get(cr1) >> kPageShift, 4, "cr1") << kPageShift);
  }
  const std::size_t flags = context.layout().flags;
  context.set(flags, context.get(flags) | kVcpuOnline);
}

Mfn start_info_mfn(engine::ConstBytes context, PvWidth width) {
  return load_word(context, vcpu_layout(width).start_info, width);
}

Mfn checked_mfn(Pfn pfn, std::uint8_t type, const PvFrames& frames, PageTypes types,
                const char* fact) {
  if (pfn >= frames.pfn_count() || pfn >= types.size()) throw stream_fault(fact, pfn);
  const bool is_table = type != kNoTable;
  const std::uint8_t seen = is_table ? types[pfn] & kTableMask : types[pfn];
  const Mfn mfn = frames.mfn_of(pfn);
  if (seen != type || !frames.pfn_of(mfn)) throw stream_fault(fact, pfn);
  return mfn;
}

}  // namespace xenferry::xen

//! Classic BPF for listening sockets: which socket of a group takes a new connection, and refusing new ones.

#[cfg(any(not(target_os = "linux"), everport_portable))]
mod absent;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod kernel;

#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use absent::{detach_from_group, detach_from_socket};
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use kernel::{detach_from_group, detach_from_socket};

/// A classic BPF program: one instruction is `code`, jump if true, jump if false, operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(Vec<Instruction>);

type Instruction = (u16, u8, u8, u32);

// The instruction set of linux/filter.h and linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const MODULO: u16 = 0x94; // BPF_ALU | BPF_MOD | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN_CONSTANT: u16 = 0x06; // BPF_RET | BPF_K
const RETURN_ACCUMULATOR: u16 = 0x16; // BPF_RET | BPF_A

/// The ancillary load that gives a random word: `SKF_AD_OFF` + `SKF_AD_RANDOM`.
const RANDOM: u32 = (-0x1000i32 + 56) as u32;
/// Where the flags are in a TCP header, and those of a first packet: SYN without ACK.
const TCP_FLAGS: u32 = 13;
const SYN_AND_ACK: u32 = 0x12;
const SYN: u32 = 0x02;

impl Filter {
    /// Chooses at random among some of a group's sockets, by their index, in order.
    ///
    /// The draw is over `0..n` for `n` indices. Those that are in the list stand for themselves; for each
    /// one that is not, a listed index beyond `n` stands in, so the program grows with the exceptions only.
    pub(crate) fn choose_among(indices: &[u32]) -> Option<Self> {
        let count = u32::try_from(indices.len())
            .ok()
            .filter(|count| *count > 0)?;
        let mut program = vec![(LOAD_WORD, 0, 0, RANDOM), (MODULO, 0, 0, count)];
        let stand_ins = indices.iter().filter(|index| **index >= count);
        let missing = (0..count).filter(|drawn| indices.binary_search(drawn).is_err());
        for (drawn, stand_in) in missing.zip(stand_ins) {
            program.push((JUMP_IF_EQUAL, 0, 1, drawn));
            program.push((RETURN_CONSTANT, 0, 0, *stand_in));
        }
        program.push((RETURN_ACCUMULATOR, 0, 0, 0));
        Some(Self(program))
    }

    /// Drops first packets and lets everything else through: handshakes under way complete, new ones are
    /// answered by nobody, until the socket is closed and the client's next try is refused or served by
    /// whoever listens then.
    pub(crate) fn drop_new_connections() -> Self {
        Self(vec![
            (LOAD_BYTE, 0, 0, TCP_FLAGS),
            (AND, 0, 0, SYN_AND_ACK),
            (JUMP_IF_EQUAL, 0, 1, SYN),
            (RETURN_CONSTANT, 0, 0, 0),
            (RETURN_CONSTANT, 0, 0, u32::MAX),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_choose_from_is_no_filter() {
        assert_eq!(Filter::choose_among(&[]), None);
    }

    #[test]
    fn two_hundred_sockets_need_few_instructions_when_few_are_left_out() {
        let all_but_two: Vec<u32> = (0..200).filter(|index| ![7, 100].contains(index)).collect();
        assert_eq!(
            Filter::choose_among(&all_but_two).unwrap().0.len(),
            2 + 2 * 2 + 1
        );
    }
}

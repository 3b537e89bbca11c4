// HTTP/2 attacks, on HTTP/2 of weir.
import { http2AttacksContract } from '../contract/http2-attacks.ts';

http2AttacksContract('weir');

// HTTP/2 attacks, on HTTP/2 of Node.
import { http2AttacksContract } from '../contract/http2-attacks.ts';

http2AttacksContract('node');
